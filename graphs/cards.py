"""Facts for the card of a dataset that the runs of all methods have."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elenchus import runs
from elenchus.front_matter import CARD
from elenchus.languages import code_of
from elenchus.results import RunVerdict
from elenchus.sections import SourceConfig
from graphs.methods import method_of
from graphs.services import Services
from models.bases import public_name
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
    facts = Facts(
        run=run.folder.id,
        title=config.title,
        rows=rows,
        about=about,
        language=code_of(config.language),
        models={
            r.name: public_name(r.settings.model) for r in method_of(config.method).roles(config)
        },
        prompts=manifest["prompts"],
        corpus=str(manifest["corpus"]),
        sources=_sources(more.pop("sources", config.corpus.sources)),
        verdict=verdict,
        digests={name: file_hash(run.folder.dataset / name) for name in rows},
        licence=config.dataset.licence,
        **more,
    )
    run.folder.dataset.mkdir(exist_ok=True)
    runs.write_atomic(run.folder.dataset / CARD, card(facts))


def counted(folder: Path, names: Iterable[str]) -> Mapping[str, int]:
    """Return the number of rows of each of these files that is there."""
    found = {}
    for name in names:
        if (path := folder / name).exists():
            with path.open("rb") as file:
                found[name] = sum(1 for _ in file)
    return found


def _sources(given: Iterable[SourceConfig]) -> list[Source]:
    return [
        Source(
            name=_public(source.path or source.hf or str(source.loader)),
            licence=source.licence,
            hub=source.hf if source.hf and _is_on_hub(source.hf) else None,
        )
        for source in given
    ]


def _public(place: str) -> str:
    """Return where documents come from as others may read it: no path of this machine."""
    return Path(place).name if place.startswith("~") or Path(place).is_absolute() else place


def _is_on_hub(name: str) -> bool:
    """Tell whether the name of a dataset is one of the hub's, and no folder."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))
