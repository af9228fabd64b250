"""What a finished run trained, to be exported as a whole model or pushed to the hub."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.runs import RunFolder
from graphs.config import of_run
from graphs.integrity import check_finished
from graphs.runner import read_result
from models.backend import weights
from models.bases import base_of
from publishing.placing import place_of
from publishing.weights import FORMATS, Trained, export

CLASSIFIERS = "classifiers"  # folder of what a run of messages trained


def export_weights(
    run: RunFolder, form: str, to: Path | None, dtype: str | None, force: bool
) -> list[Path]:
    """Export what a run trained as a whole model; return the files.

    Args:
        form: one of `publishing.weights.FORMATS`.
        to: the folder to write; None for one in the run folder.
        dtype: in which weights are kept; None for that of the base.

    Raises:
        UserError: the run is not finished, or trained no model that writes; see `weights.export`.
    """
    assert form in FORMATS
    folder = trained_folder(run)
    if folder.parent.name == CLASSIFIERS:
        raise UserError(
            f"run {run.id} trained classifiers, which stay a LoRA with a head: {folder}/README.md "
            "says how to load them"
        )
    config, place = of_run(run), place_of(run, form, to)
    base = weights(config.student)
    known = base_of(config.student.model, base)
    trained = Trained(base, folder, known, f"{config.domain}-{run.id}")
    return export(trained, form, place, dtype, force)


def to_push(run: RunFolder, adapter: bool) -> Path:
    """Return the folder that is sent to the hub: of what a run trained, or of its dataset.

    Raises:
        UserError: the run is not finished, or has none.
    """
    if adapter:
        return trained_folder(run)
    check_finished(run)
    if not run.dataset.is_dir():
        raise UserError(f"run {run.id} has no dataset to push")
    return run.dataset


def places(run: RunFolder) -> list[Path]:
    """Return the folders of this machine that a run knows, whose paths should not leave it."""
    texts = {text.removeprefix("hf:") for text in _texts(run.manifest()["config"])}
    absolute = [path for text in texts if (path := Path(text)).is_absolute()]
    return [run.path, run.domain_folder(), Path.home(), Path.cwd(), *absolute]


def _texts(tree: Any) -> Iterator[str]:
    """Yield the texts in a configuration."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping | list):
        for part in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _texts(part)


def trained_folder(run: RunFolder) -> Path:
    """Return the folder that a run ended with: of its last adapter, or of the classifier to take.

    Raises:
        UserError: the run is not finished, is damaged, or trained nothing.
    """
    check_finished(run)
    result = read_result(run)
    if adapter := getattr(result, "adapter", ""):
        return run.path / str(adapter)
    made = sorted((run.path / CLASSIFIERS).glob("*/adapter_config.json"))
    take = getattr(result, "take", None)
    best = [file.parent for file in made if take and file.parent.name == take.mix]
    if not made:
        raise UserError(f"run {run.id} trained nothing: there are no weights to pass on")
    return best[0] if best else made[0].parent
