"""Runs with a cap that are killed four times each: how far beyond the cap the server was paid.

A part of `elenchus bench kills`. All roles of an examination answer over HTTP, and the server
counts what it was asked and has answered, whatever became of whoever asked. It counts tokens by
MiniLM's tokenizer, of 30,522 word pieces: with fewer entries than those of large models it makes
more tokens of a text, so that an estimate for them is put to the test. Where it says how many
tokens it used, half of the runs ask a model that reasons at length and does not show it. Once its
cap has stopped a run, it is resumed in vain once more.

Keys of the JSON: `caps` (by name: kills, cap and what was spent in per cent of it); in per cent of
the cap, the largest of all runs: `calls_over_cap`, `tokens_over_cap`, `usd_over_cap`, and
`tokens_over_cap_without_usage`, of a server that tells no usage or an absurd one.
"""

import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import killing, server
from benchmarks.killing import Domain
from benchmarks.server import MODEL, Counts
from elenchus.errors import RunStopped, UserError
from retrieval.embedding import minilm_folder

KILLS, QUICK_KILLS = 4, 1
EXAMPLES, QUICK_EXAMPLES = 60, 4
SHARE = 0.6  # of what an undisturbed run spends: the cap
REACH = 0.85  # of the cap: where a kill falls at the latest; soon after, the run may stop
LATENCY = 0.05  # seconds until an answer begins
HIDDEN = 2000  # tokens of reasoning that an answer hides at most
PRICE = {"usd_in": 2.0, "usd_out": 8.0}  # a million tokens
AIMS = {
    "calls_over_cap": 0.0,
    "tokens_over_cap": 5.0,
    "usd_over_cap": 5.0,
    "tokens_over_cap_without_usage": 15.0,
}
Figures = dict[str, Any]


class Case(NamedTuple):
    """A cap, and the server that it is tried on.

    Args:
        key: of the figures, which the overshoot counts for.
        habit: what the server says of its usage, if not the truth.
    """

    name: str
    key: str
    cap: str
    hidden: int = 0
    habit: str | None = None


CASES = (
    Case("calls", "calls_over_cap", "calls"),
    Case("tokens", "tokens_over_cap", "tokens"),
    Case("tokens, hidden reasoning", "tokens_over_cap", "tokens", HIDDEN),
    Case("USD", "usd_over_cap", "usd"),
    Case("USD, hidden reasoning", "usd_over_cap", "usd", HIDDEN),
    Case("tokens, no usage", "tokens_over_cap_without_usage", "tokens", habit="no usage"),
    Case(
        "tokens, absurd usage", "tokens_over_cap_without_usage", "tokens", habit="a billion tokens"
    ),
)


def tokenizer() -> str:
    """Return the path of the tokenizer that the server counts by."""
    return str(minilm_folder() / "tokenizer.json")


def measure(folder: Path, url: str, seed: int, quick: bool) -> Figures:
    """Return how far all caps were passed; quick, of calls alone."""
    cases, rng = CASES[:1] if quick else CASES, random.Random(seed)
    figures: Figures = {"caps": {}}
    domain = _write(folder, url, QUICK_EXAMPLES if quick else EXAMPLES)
    usual = {hidden: _whole(domain, url, hidden) for hidden in {case.hidden for case in cases}}
    for number, case in enumerate(cases):
        cap = SHARE * _amount(case.cap, usual[case.hidden])
        cap = cap if case.cap == "usd" else int(cap)
        kills = QUICK_KILLS if quick else KILLS
        moments = sorted(rng.uniform(0, REACH * cap) for _ in range(kills))
        hit, spent = _killed(domain.at(f"caps-{number}"), url, case, cap, moments)
        over = round(max(0.0, 100 * (spent / cap - 1)), 2)
        figures["caps"][case.name] = {"kills": hit, "spent": round(100 * spent / cap, 1)}
        print(f"{case.name}: {figures['caps'][case.name]}", file=sys.stderr, flush=True)
        figures[case.key] = max(over, figures.get(case.key, 0.0))
    return figures


def _write(folder: Path, url: str, examples: int) -> Domain:
    """Write a domain whose roles all answer at `url`, and which trains nothing."""
    return killing.write(
        folder / "caps", "examination", url,
        student={"model": MODEL, "base_url": url}, training={"enabled": False},
        adaptation={"examples": [examples], "stop_failure_share": 0}, models={MODEL: PRICE},
    )  # fmt: skip


def _whole(domain: Domain, url: str, hidden: int) -> Counts:
    """Return what the server does for a run without a cap."""
    domain = domain.at(f"whole-{hidden}")
    server.begin(url, LATENCY, habits=[], hidden=hidden)
    with killing.started(domain) as process:
        process.join()
    killing.demand_end(domain, process.exitcode)
    return server.counts(url)


def _amount(cap: str, counts: Counts) -> float:
    """Return what the server was paid, in the unit of a cap."""
    if cap == "calls":
        return float(counts["received"])
    read, written = counts["read"], counts["written"]
    if cap == "tokens":
        return float(read + written)
    return float(read * PRICE["usd_in"] + written * PRICE["usd_out"]) / 1e6


def _killed(
    domain: Domain, url: str, case: Case, cap: float, moments: list[float]
) -> tuple[int, float]:
    """Kill a run with a cap, and resume it until the cap stops it, and once more.

    Args:
        moments: what the server has been paid by then, in the unit of the cap.

    Returns:
        The kills, and what the server was paid in the end.
    """
    server.begin(url, LATENCY, habits=[case.habit] if case.habit else [], hidden=case.hidden)
    given = ("--set", f"budget.{case.cap}={cap}")
    kills = stops = 0
    while stops < 2:
        moment = moments[kills] if kills < len(moments) else float("inf")
        with killing.started(domain, *(() if domain.run else given)) as process:
            while process.is_alive() and _amount(case.cap, server.counts(url)) < moment:
                process.join(killing.POLL)
            struck = process.is_alive() and killing.strike(process, ("SIGKILL",))
        killing.rest(url)
        kills += struck
        stops += not struck
        if not struck and process.exitcode != RunStopped.exit_code:
            said = killing.said(domain).read_text(encoding="utf-8")
            raise UserError(f"{case.name}: no cap stopped a run ({process.exitcode}): {said}")
    return kills, _amount(case.cap, server.counts(url))
