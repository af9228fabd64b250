"""The application: its addresses, its templates, and what every page of a run is given.

Only the review writes. A route that does is a POST, begins with `guard.posted`, and its form holds
`{{ form_token }}` in the field `guard.FIELD`; `Guard` has looked at its origin by then.
"""

import contextlib
import importlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from elenchus.errors import UserError
from inspection.pages import (
    compare,
    corpus,
    dataset,
    examination,
    examinations,
    exams,
    overview,
    records,
    reviews,
    runs,
)
from inspection.pages.guard import Guard, form_token
from inspection.pages.library import Library
from inspection.pages.rendering import page

HERE = Path(__file__).parent
LOCAL = frozenset(("localhost",))  # names by which this machine knows itself
RUN = "/runs/{domain}/{run}"
ROUTES: list[BaseRoute] = [
    Route("/runs", runs.listed, name="runs"),
    Route("/compare", compare.compared, name="compare"),
    Route(RUN, overview.shown),
    Route(f"{RUN}/examinations", examinations.listed),
    Route(f"{RUN}/examinations/{{id}}", examination.shown),
    Route(f"{RUN}/rejections", examinations.rejected),
    Route(f"{RUN}/dataset", dataset.shown),
    Route(f"{RUN}/review", reviews.listed),
    Route(f"{RUN}/review/{{id}}", reviews.shown),
    Route(f"{RUN}/review/{{id}}", reviews.decided, methods=["POST"]),
    Route(f"{RUN}/exams", exams.shown),
    Route(f"{RUN}/corpus", corpus.searched),
    Route(f"{RUN}/corpus/{{id}}", corpus.document),
    Route(f"{RUN}/records", records.kinds),
    Route(f"{RUN}/records/{{kind}}", records.of_kind),
    Route(f"{RUN}/record/{{id}}", records.shown),
]


def make_app(root: Path, names: frozenset[str] = LOCAL, token: str = "") -> Starlette:
    """Return the application that shows the runs below a folder.

    Args:
        names: by which a browser may ask for it, beside addresses in figures.
        token: what everybody must know; "" where everybody on this machine may look.
    """
    library = Library(root)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # What compares two runs is slow to import: it is done before somebody waits for it.
        threading.Thread(
            target=importlib.import_module, args=("training.evaluation",), daemon=True
        ).start()
        yield
        library.close()

    static = StaticFiles(directory=HERE / "static")
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse("/runs")),
            *ROUTES,
            Mount("/static", static, name="static"),
        ],
        middleware=[Middleware(Guard, names=names, token=token)],
        exception_handlers={
            UserError: _refused,
            sqlite3.DatabaseError: _unread,
            HTTPException: _failed,
        },
        lifespan=lifespan,
    )
    app.state.library = library
    app.state.form_token = form_token()
    return app


def _refused(request: Request, error: Exception) -> Response:
    """Show the message of what cannot be shown: a damaged run, an id that nothing has."""
    missing = str(error).startswith("there is no ")
    title = "Nothing there" if missing else "Cannot be shown"
    return page(request, "message.html", 404 if missing else 422, title=title, message=str(error))


def _unread(request: Request, error: Exception) -> Response:
    """Say that a ledger is not as this version writes it, or is locked by a writer."""
    message = f"The ledger of this run cannot be read: {error}. `elenchus doctor RUN` looks at it."
    return page(request, "message.html", 422, title="Cannot be shown", message=message)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = "There is no such page." if error.status_code == 404 else error.detail
    return page(request, "message.html", error.status_code, title="Nothing there", message=message)
