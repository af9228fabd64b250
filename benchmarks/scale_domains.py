"""Measures what three domains at once take, over the slowest of them alone.

Each is an invented code of rules. All roles, the student's too, answer over HTTP after `LATENCY`,
and nothing is trained, so that the endpoint is the bottleneck. Whole runs are timed: each domain
alone, one after the other, and then all at once in one process, by turns. What is made once (the
indexes, the server's answers) is there before the clock starts. The domains have nothing in common
that one could ask for another.

After that, all are launched under a cap on what they spend together, of half the tokens that they
need: what is spent beyond it, counted in answers as long as the longest, is compared with the calls
that can be in flight.

Figures: `calls` of all three; medians of seconds, `slowest_alone` and `at_once`; `ratio`, the
median of the ratios of passes, with the `lowest` and the `highest`; `budget_over_in_flight`, which
is 0 where the cap is kept; and `within`: whether the ratio is at most `MOST`, and that at most 1.
"""

import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import yaml

from benchmarks import invented, server
from elenchus import runs
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from graphs import runner, together
from graphs.config import ROLES, DomainConfig, load

MOST = 1.15
LATENCY = 0.2  # seconds
EACH = 4  # examinations of a domain under way at once: few, so that a run mostly waits
IN_FLIGHT = 64  # calls of all
NAMES = ("one", "two", "three")
PASSES, EXAMPLES = 3, 40
QUICK_PASSES, QUICK_EXAMPLES = 1, 12
Figures = dict[str, Any]
Domain = tuple[DomainConfig, Path]


class Pass(NamedTuple):
    """Seconds of one pass."""

    slowest: float
    at_once: float


def measure(quick: bool) -> Figures:
    """Return the figures: see above."""
    passes, examples = (QUICK_PASSES, QUICK_EXAMPLES) if quick else (PASSES, EXAMPLES)
    with tempfile.TemporaryDirectory() as name, server.serving() as url:
        folder = Path(name)
        domains = [_written(folder, one, url, examples) for one in NAMES]
        server.begin(url, 0.0)
        _at_once(domains, folder / "warm")
        calls, tokens, longest = _spent(folder / "warm")
        server.begin(url, LATENCY)
        made = [_pass(domains, folder / str(n)) for n in range(passes)]
        _at_once(domains, folder / "capped", {"tokens": tokens // 2})
        over = max(0, _spent(folder / "capped")[1] - tokens // 2) / (longest * IN_FLIGHT)
    ratios = [one.at_once / one.slowest for one in made]
    return {
        "calls": calls,
        "slowest_alone": round(median(one.slowest for one in made), 2),
        "at_once": round(median(one.at_once for one in made), 2),
        "ratio": round(median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "budget_over_in_flight": round(over, 3),
        "within": median(ratios) <= MOST and over <= 1,
    }


def _pass(domains: list[Domain], folder: Path) -> Pass:
    slowest = 0.0
    for config, home in domains:
        begun = time.perf_counter()
        runner.launch(config, home, folder / "alone", None, Unseen())
        slowest = max(slowest, time.perf_counter() - begun)
    begun = time.perf_counter()
    _at_once(domains, folder / "at-once")
    return Pass(slowest, time.perf_counter() - begun)


def _at_once(domains: list[Domain], root: Path, budget: dict[str, int] | None = None) -> None:
    """Launch all domains; an error in any of them is raised, but for a cap that is reached."""
    for ended in together.launch(domains, root, None, Unseen(), budget):
        if ended.error is not None and not budget:
            raise ended.error


def _spent(root: Path) -> tuple[int, int, int]:
    """Return calls and tokens of all runs below a folder, and the tokens of the longest call."""
    calls = tokens = longest = 0
    for run in runs.listed(root):
        with closing(Ledger(run.ledger)) as ledger:
            used = ledger.usage()
            calls, tokens = calls + used[0], tokens + used[1]
            each = (call.input_tokens + call.output_tokens for call in ledger.calls())
            longest = max(longest, *each)
    return calls, tokens, longest


def _written(folder: Path, name: str, url: str, examples: int) -> Domain:
    """Write a code whose roles all answer at `url`."""
    path = invented.write(folder, name, examples)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree |= {role: {"model": server.MODEL, "base_url": url} for role in ROLES}
    tree |= {
        "retrieval": {"index": str(folder / "indexes")},
        "exam": {"questions": max(20, examples // 2), "general": 0},
        "adaptation": {"examples": [examples]},
        "examination": {"concurrency": EACH},
        "models": {server.MODEL: {"in_flight": IN_FLIGHT}},
        "training": {"enabled": False},
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load(path), path.parent
