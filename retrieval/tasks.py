"""Reads LegalBench's layout: a folder for each task, with its prompt and tables of its rows.

`base_prompt.txt` is the prompt, with `{{column}}`s; `train.tsv` has the few examples solved in it,
`test.tsv` the questions. Clones of LegalBench lack the latter: they are downloaded from the hub,
converted to Parquet there, since the hub's own loader is a script.
"""

import csv
from itertools import islice
from pathlib import Path

from elenchus.errors import UserError
from retrieval.rows import Row

HUB = "nguha/legalbench"
PROMPT, TEST = "base_prompt.txt", "test.tsv"


def tasks(folder: Path, match: str, key: str) -> list[Path]:
    """Return the folders of the tasks whose names match a pattern, in their order.

    Args:
        key: the setting that names the folder, for messages.

    Raises:
        UserError: there is none.
    """
    found = sorted(path.parent for path in folder.glob(f"{match}/{PROMPT}"))
    if not found:
        raise UserError(f"{key}: no task {match} in {folder}: each is a folder with {PROMPT}")
    return found


def question_table(task: Path, key: str) -> Path:
    """Return the table of a task's questions, downloaded where the folder has none.

    Raises:
        UserError: the hub has none either, or cannot be reached.
    """
    return task / TEST if (task / TEST).exists() else _downloaded(task.name, key)


def rows(path: Path, most: int | None = None) -> list[Row]:
    """Read a table of tab-separated values, or of Parquet; the first rows where `most` says so."""
    if path.suffix == ".tsv":
        with path.open(encoding="utf-8", newline="") as file:
            return list(islice(csv.DictReader(file, delimiter="\t"), most))
    from pyarrow import parquet

    found: list[Row] = parquet.read_table(path).slice(0, most).to_pylist()
    return found


def _downloaded(task: str, key: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    file = f"{task}/test/0000.parquet"
    try:
        path = hf_hub_download(HUB, file, repo_type="dataset", revision="refs/convert/parquet")
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise UserError(
            f"{key}: {task} has no {TEST}, and {HUB} on the hub has no {file}: {error}"
        ) from error
    return Path(path)
