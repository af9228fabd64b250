"""The adapters that finished runs trained, as one server serves them."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elenchus.errors import UserError
from elenchus.runs import RunFolder
from graphs.config import DomainConfig, of_run
from graphs.integrity import check_finished
from graphs.runner import read_result
from models.backend import precision_of, weights
from models.bases import base_of
from models.pretrained import HALF, Precision
from models.vllm_server import LONGEST, Serving
from models.weights import is_adapter, weights_hash

_ROUND = re.compile(r"round-(\d+)")


class Trained(NamedTuple):
    """An adapter of a run; `round` is "" for the last one alone, where no others are served."""

    run: RunFolder
    config: DomainConfig
    round: str
    folder: Path


def serving(runs: Sequence[RunFolder], every: bool) -> Serving:
    """Return what a server of all these runs serves.

    Args:
        every: the adapter of each round, and not only that of the last.

    Raises:
        UserError: a run is not finished, damaged, or has no adapter; or their bases differ.
    """
    trained = [one for run in dict.fromkeys(runs) for one in _trained(run, every)]
    base = _common_base(trained)
    first = trained[0].config.student
    name = base_of(first.model, base).name
    precisions = {precision_of(one.config.student) for one in trained}
    return Serving(
        base=base.resolve(),
        name=name,
        adapters=_named(trained, name),
        rank=max(rank_of(one.folder) for one in trained),
        context=context_of(base),
        precision=_widest(precisions),
    )


def _trained(run: RunFolder, every: bool) -> list[Trained]:
    """Return the adapters of a run, in the order of the rounds."""
    check_finished(run)
    config, result = of_run(run), read_result(run)
    adapter: str = getattr(result, "adapter", "")
    if not adapter:
        raise UserError(
            f"run {run.id} has no adapter to serve: it trained none that answers questions"
        )
    last = run.path / adapter
    if not is_adapter(last):
        raise UserError(
            f"run {run.id} trained a whole model: `vllm serve {last}` serves it, by itself"
        )
    if not every:
        return [Trained(run, config, "", last)]
    numbered = {int(found[1]): folder for folder in last.parent.iterdir()
                if (found := _ROUND.fullmatch(folder.name)) and is_adapter(folder)}  # fmt: skip
    return [Trained(run, config, str(n), folder) for n, folder in sorted(numbered.items())]


def _common_base(trained: Sequence[Trained]) -> Path:
    """Return the folder of the weights that all adapters are on; UserError where these differ."""
    folders = {one.run.id: weights(one.config.student) for one in trained}
    (first, base), *others = folders.items()
    for run, folder in others:
        if folder.resolve() != base.resolve() and weights_hash(folder) != weights_hash(base):
            raise UserError(
                f"runs {first} and {run} adapt different models, {base} and {folder}, and a server "
                "has one: `elenchus serve` each by itself, with a --port of its own"
            )
    return base


def _named(trained: Sequence[Trained], base: str) -> dict[str, Path]:
    """Return the adapters by name: that of the domain, with run and round where these tell.

    None has the name of the base, by which vLLM would give the base's answers.
    """
    runs = {one.run.id: one.config.domain for one in trained}
    shared = Counter(runs.values())
    taken = {one.config.domain for one in trained if base == _joined(one, "")}
    named = {}
    for one in trained:
        told = shared[one.config.domain] > 1 or one.config.domain in taken
        named[_joined(one, one.run.id if told else "")] = one.folder.resolve()
    return named


def _joined(one: Trained, run: str) -> str:
    """Return the name of an adapter, which tells its run where that is given."""
    return "-".join(filter(None, (one.config.domain, run, one.round)))


def _widest(precisions: set[Precision]) -> Precision:
    """Return the precision that is half only where all are, and four bits likewise."""
    half = {precision.dtype for precision in precisions} == {HALF.dtype}
    dtype = HALF.dtype if half else "float32"
    return Precision(dtype, all(precision.four_bit for precision in precisions))


def rank_of(adapter: Path) -> int:
    """Return the rank of the LoRA in a folder."""
    return int(_settings(adapter / "adapter_config.json").get("r", 0))


def context_of(base: Path) -> int:
    """Return the tokens that a server of the weights in a folder reads and writes at most."""
    tree = _settings(base / "config.json")
    tree = tree.get("text_config") or tree
    return min(int(tree.get("max_position_embeddings") or LONGEST), LONGEST)


def _settings(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error})") from error
    return read if isinstance(read, dict) else {}
