"""`elenchus push`: a run's adapter or dataset to the Hugging Face hub."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.cli import options
from elenchus.printing import in_bytes

if TYPE_CHECKING:
    from publishing import hub

Names = list[str] | None


def push(
    run: options.Run,
    to: Annotated[str, typer.Option(metavar="OWNER/NAME", help="repository on the hub")],
    adapter: Annotated[
        bool, typer.Option("--adapter/--dataset", help="what was trained, or what it learnt from")
    ] = True,
    private: Annotated[
        bool, typer.Option("--private/--public", help="who may see it, where it is made")
    ] = True,
    send: Annotated[bool, typer.Option("--send", help="send it; else it is only shown")] = False,
    licence: Annotated[
        str | None, typer.Option(help="as SPDX names it, where the card has none: CC-BY-4.0")
    ] = None,
    leave_out: Annotated[Names, typer.Option(help="a file that stays here; repeatable")] = None,
    checked: Annotated[
        Names, typer.Option(help="a file whose secrets or paths are none; repeatable")
    ] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Show what would be sent to the hub and, with --send, send it; the token is in HF_TOKEN."""
    from elenchus import runs
    from graphs.trained import places, to_push
    from publishing import hub

    found = runs.find(root, run)
    folder = to_push(found, adapter)
    parcel = hub.parcel(
        folder,
        "model" if adapter else "dataset",
        to,
        licence,
        leave_out or (),
        checked or (),
        places(found),
    )
    message = f"{'Weights' if adapter else 'Dataset'} of run {found.id}"
    sent = hub.send(parcel, private, message) if send else None
    if as_json:
        print(json.dumps(_as_json(parcel, private, sent)))
        return
    for name, size in parcel.sizes().items():
        print(f"{name}: {in_bytes(size)}")
    print(f"{parcel.kind} {to}, licence {parcel.licence}")
    if sent is None:
        where = "a private repository" if private else "one for all to see, where it is new"
        print(f"nothing was sent: --send sends it, to {where}")
    else:
        seen = "private" if sent.private else "for all to see"
        print(f"{'sent to what was there' if sent.existed else 'sent'}, {seen}: {sent.url}")


def _as_json(parcel: "hub.Parcel", private: bool, sent: "hub.Sent | None") -> dict[str, object]:
    return {
        "kind": parcel.kind,
        "repo": parcel.repo,
        "licence": parcel.licence,
        "files": parcel.sizes(),
        "private": sent.private if sent else private,
        "sent": sent.url if sent else None,
    }
