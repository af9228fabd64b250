"""Options that several commands have."""

from typing import Annotated

import typer

Changes = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, as in domain.yaml; repeatable")
]
Profile = Annotated[str | None, typer.Option(help="a named set of changes in domain.yaml")]
Json = Annotated[bool, typer.Option("--json", help="one JSON value, and nothing else")]
