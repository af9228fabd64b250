"""Facts for the card of a dataset that the runs of all methods have."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elenchus import runs
from elenchus.front_matter import CARD
from elenchus.languages import code_of
from elenchus.results import RunVerdict
from elenchus.sections import SourceConfig
from graphs.method import Role
from graphs.methods import method_of
from graphs.services import Services
from models.bases import public_name, public_place
from models.weights import file_hash
from publishing.dataset_card import Facts, Source, card


def write(
    run: Services,
    rows: Mapping[str, int],
    about: Sequence[str],
    verdict: RunVerdict | None,
    **more: Any,
) -> None:
    """Write the card of a run's dataset folder.

    Args:
        rows: the number of rows of each file.
        about: sentences on what the dataset is.
        more: further fields of `publishing.dataset_card.Facts`.
    """
    config, manifest = run.config, run.folder.manifest()
    method = method_of(config.method)
    # An update keeps what calls of an earlier run made.
    used = None if run.folder.updates() else run.ledger.prompts()
    facts = Facts(
        run=run.folder.id,
        title=config.title,
        rows=rows,
        about=about,
        language=code_of(config.language),
        models=models_by_role(method.roles(config)),
        prompts={n: h for n, h in manifest["prompts"].items() if used is None or h in used},
        corpus=str(manifest["corpus"]),
        sources=[
            Source(
                name=public_place(source.path or source.hf or str(source.loader)),
                licence=source.licence,
                hub=hub_id(source),
            )
            for source in method.inputs(config)
        ],
        verdict=verdict,
        digests={name: file_hash(run.folder.dataset / name) for name in rows},
        licence=config.dataset.licence,
        **more,
    )
    run.folder.dataset.mkdir(exist_ok=True)
    runs.write_atomic(run.folder.dataset / CARD, card(facts))


def models_by_role(roles: Iterable[Role]) -> dict[str, str]:
    """Return the models of each role, as others may read them."""
    models: dict[str, list[str]] = {}
    for role in roles:
        models.setdefault(role.name, []).append(public_name(role.settings.model))
    return {role: ", ".join(dict.fromkeys(names)) for role, names in models.items()}


def counted(folder: Path, names: Iterable[str]) -> Mapping[str, int]:
    """Return the number of rows of each of these files that is there."""
    found = {}
    for name in names:
        if (path := folder / name).exists():
            with path.open("rb") as file:
                found[name] = sum(1 for _ in file)
    return found


def hub_id(source: SourceConfig) -> str | None:
    """Return the id that a source has on the hub; None of a folder, and of all else."""
    name = source.hf or ""
    is_id = name.count("/") == 1 and not name.startswith((".", "/", "~"))
    return name if is_id and not Path(name).exists() else None
