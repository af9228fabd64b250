"""The list of all runs."""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from inspection.pages.library import Library, Listing
from inspection.pages.rendering import page

ROLES = ("expert", "examiner", "grader", "student")


class Filters(NamedTuple):
    """What the list is cut down to; dates are days, as 2026-11-29."""

    q: str = ""
    domain: str = ""
    method: str = ""
    state: str = ""
    verdict: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """Return the filters of an address."""
        return cls(**{name: query.get(name, "") for name in cls._fields})

    def keep(self, run: Listing) -> bool:
        """Tell whether a run is in the list."""
        started = str(run.manifest.get("started", ""))[:10] or _day(run.row.id)
        return (
            all(word in _described(run) for word in self.q.lower().split())
            and self.domain in ("", run.row.domain)
            and self.method in ("", method(run))
            and self.state in ("", run.row.state)
            and self.verdict in ("", run.row.verdict or "none")
            and (not self.since or started >= self.since)
            and (not self.until or started <= self.until)
        )


def listed(request: Request) -> Response:
    """Show all runs, the newest first."""
    library: Library = request.app.state.library
    every = library.listed()
    filters = Filters.of(request.query_params)
    choices = {
        "domain": sorted({run.row.domain for run in every}),
        "method": sorted({method(run) for run in every} - {""}),
        "state": sorted({run.row.state for run in every}),
        "verdict": sorted({run.row.verdict or "none" for run in every}),
    }
    return page(
        request,
        "runs.html",
        title="Runs",
        up="",
        every=every,
        listings=[run for run in every if filters.keep(run)],
        filters=filters._asdict(),
        choices=choices,
        method=method,
        live=any(run.row.state == "running" for run in every),
    )


def method(run: Listing) -> str:
    """Return the method of a run, "" where it cannot be read."""
    return str(run.manifest.get("config", {}).get("method", ""))


def _described(run: Listing) -> str:
    """Return what a search for runs looks through: names, settings that tell them apart."""
    config = run.manifest.get("config", {})
    models = (str(config.get(role, {}).get("model", "")) for role in ROLES)
    described = (run.row.id, run.row.domain, config.get("title"), run.manifest.get("profile"))
    return " ".join([*(str(part or "") for part in described), *models]).lower()


def _day(run_id: str) -> str:
    """Return the day that a run's id begins with."""
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"
