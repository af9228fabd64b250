"""Renders pages by templates, which escape whatever is no `Markup`."""

import functools
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from elenchus.errors import UserError
from inspection.pages import charts, formatting, texts
from inspection.pages.library import Library, Opened

TEMPLATES = Path(__file__).parent / "templates"


@functools.cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= formatting.FILTERS | {
        "value": lambda text: texts.sendable(str(text)),
        "truncated": lambda text: text if len(text) <= 300 else text[:299] + "…",
        "link": lambda path, **query: address(path, query),
        "alone": lambda values: [(value, None) for value in values],
        "uncounted": lambda pairs: [(value, None) for value, _ in pairs],
    }
    made.globals |= formatting.GLOBALS | {
        "bar": charts.bar,
        "interval": charts.interval,
        "rounds": charts.rounds,
        "curve": charts.curve,
        "reach": charts.reach,
        "difference": texts.difference,
        "marked": texts.marked,
        "found_in": lambda text, words: texts.marked(text, texts.found(text, words)),
        "address": address,
        "points": lambda interval: "[{:+.1f}, {:+.1f}]".format(*(100 * end for end in interval)),
    }
    return made


def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page; `title` is its name, and `live` whether it is fetched again by itself."""
    opened = context.get("opened")
    usual: dict[str, Any] = {
        "live": False,
        "root": "",
        "opened": None,
        "tabs": (),
        "up": "/runs",
        "path": request.url.path,
        "query": dict(request.query_params),
        "form_token": request.app.state.form_token,
        "library": request.app.state.library,
    }
    if opened is not None:
        root = root_of(opened)
        usual |= {"root": root, "tabs": _tabs(opened, root), "up": root}
    text = environment().get_template(template).render(usual | context)
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def opened(request: Request) -> Opened:
    """Return the run that an address is about; UserError where there is none."""
    library: Library = request.app.state.library
    return library.open(request.path_params["domain"], request.path_params["run"])


def root_of(run: Opened) -> str:
    """Return the address of a run."""
    return f"/runs/{quote(run.run.domain, safe='')}/{quote(run.run.id, safe='')}"


def address(path: str, query: dict[str, str] | None = None, **more: Any) -> str:
    """Return an address with a query, without what is empty."""
    pairs = {
        name: value for name, value in {**(query or {}), **more}.items() if value not in ("", None)
    }
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _tabs(run: Opened, root: str) -> list[tuple[str, str]]:
    """Return the pages that a run has something for, with their addresses."""
    try:
        kinds = run.run.ledger.kinds() if run.run.ledger else {}
    except UserError:
        return [("Overview", root)]
    wanted = {
        "Examinations": "Examination",
        "Rejections": "Examination",
        "Dataset": "Dataset",
        "Review": "Dataset",
        "Exams": "ExamItem",
        "Corpus": "Passage",
    }
    there = [(name, f"{root}/{name.lower()}") for name, kind in wanted.items() if kind in kinds]
    return [("Overview", root), *there, ("Records", f"{root}/records")]
