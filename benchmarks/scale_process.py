"""Measures the processor time of a call in examinations, over that of a bare client's call.

Examinations of one round go over HTTP through all that a run has: the adaptation graph with its
checkpoints, ledger, rate limits and budget. After each pass of them, aiohttp alone sends the same
prompts to the same server, and reads the answers as JSON. The processor time, of all threads, is
that of this process; the server has its own. What a run makes once (its index, its search, its
models) is there before the clock starts.

What a bare call takes depends on how calls come: many that are answered at once share the waking
up. So the bare client sends them twice, spread evenly over the time that the examinations took, and
all at once. Examinations never have their answers in one moment, so the former is the measure; what
keeping the pace takes by itself is taken off.

Figures: `calls` of a pass; `ratio`, the median of the passes' ratios, with the `lowest` and the
`highest`; `ratio_at_once`; medians of milliseconds a call, `ours_ms`, `bare_ms` and
`bare_at_once_ms`; and `within`: whether the ratio is at most `MOST`.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import aiohttp

from benchmarks import server
from benchmarks.orchestration import examined, write_domain

MOST = 3.0
IN_FLIGHT = 64
LATENCY = 0.05  # seconds
PASSES, EXAMINATIONS = 7, 300
QUICK_PASSES, QUICK_EXAMINATIONS = 3, 60
Figures = dict[str, Any]


class Pass(NamedTuple):
    """What one pass took, in milliseconds of processor time a call."""

    calls: int
    ours: float
    bare: float
    at_once: float


def measure(quick: bool) -> Figures:
    """Return the figures: see above."""
    passes, count = (QUICK_PASSES, QUICK_EXAMINATIONS) if quick else (PASSES, EXAMINATIONS)
    with tempfile.TemporaryDirectory() as name, server.serving() as url:
        folder = Path(name)
        domain = write_domain(folder, url)
        warm = examined(domain, folder / "warm", count, IN_FLIGHT)
        # The first one is slower, of whatever is done for the first time.
        made = [_pass(domain, folder / str(n), url, count, warm) for n in range(1 + passes)][1:]
    ratios = [one.ours / one.bare for one in made]
    return {
        "calls": made[0].calls,
        "ratio": round(median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
        "ratio_at_once": round(median(one.ours / one.at_once for one in made), 2),
        "ours_ms": round(median(one.ours for one in made), 3),
        "bare_ms": round(median(one.bare for one in made), 3),
        "bare_at_once_ms": round(median(one.at_once for one in made), 3),
        "within": median(ratios) <= MOST,
    }


def _pass(domain: Path, folder: Path, url: str, count: int, warm: Figures) -> Pass:
    """Examine so many seeds, and send as many bare calls in both ways."""
    server.begin(url, LATENCY)
    busy = examined(domain, folder, count, IN_FLIGHT, warm)["busy"]
    counts, prompts = server.counts(url), server.prompts(url)
    sent = [json.loads(text) for text, times in prompts.items() for _ in range(times)]
    calls, seconds = len(sent), counts["seconds"]
    paced = asyncio.run(_bare(url, sent, seconds)) - asyncio.run(_bare("", sent, seconds))
    at_once = asyncio.run(_bare(url, sent, 0.0))
    return Pass(calls, *(1000 * took / calls for took in (busy, paced, at_once)))


async def _bare(url: str, prompts: list[Any], seconds: float) -> float:
    """Send prompts by aiohttp alone; return the seconds of processor time.

    Args:
        url: "" to keep the pace without sending anything.
        seconds: that the calls are spread over.
    """
    gate, model = asyncio.Semaphore(IN_FLIGHT), server.MODEL.partition(":")[2]
    begun, busy = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(place: int, prompt: Any) -> None:
            async with gate:
                due = begun + seconds * place / len(prompts)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if not url:
                    return
                body = {"model": model, "messages": prompt}
                async with session.post(f"{url}/chat/completions", json=body) as answer:
                    await answer.json()

        await asyncio.gather(*(one(place, prompt) for place, prompt in enumerate(prompts)))
    return time.process_time() - busy
