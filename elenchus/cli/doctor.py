"""`elenchus doctor`: packages, models, store and disk."""

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from elenchus import __version__
from elenchus.cli import options
from elenchus.errors import UserError

LOCAL = ("torch", "transformers", "peft", "sklearn", "matplotlib")
EXTRA = "pip install -e '.[train]'"
# Extras, each with one of its packages and what it is for.
OPTIONAL = {
    "documents": ("markitdown", "PDF, DOCX, other formats of offices, Parquet"),
    "hub": ("datasets", "datasets of the Hugging Face hub"),
    "select": ("datasketch", "selection from a general corpus"),
    "ui": ("starlette", "runs in a browser (elenchus inspect)"),
    "four-bit": ("bitsandbytes", "students whose matrices are kept in four bits"),
    "ray": ("ray", "examinations on a cluster"),
    "bench": ("pyarrow", "comparisons (elenchus bench)"),
    "postgres": ("psycopg", "runs in PostgreSQL, which other machines resume"),
    "openai": ("langchain_openai", "models of OpenAI"),
    "anthropic": ("langchain_anthropic", "models of Anthropic"),
    "ollama": ("langchain_ollama", "models of Ollama"),
}


class Finding(NamedTuple):
    """One thing that was checked; `remedy` is empty when it is well.

    What is `optional` and not there is no fault.
    """

    what: str
    found: str
    remedy: str = ""
    optional: bool = False

    @property
    def mark(self) -> str:
        """Return what stands before it on the screen."""
        return "--" if self.optional else "!!" if self.remedy else "ok"


def doctor(
    run: Annotated[str | None, typer.Argument(help="a run to check instead; its id")] = None,
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Check what is installed, what is missing, and how to get it; or whether a run is whole.

    A result that cannot be read is put aside: `elenchus resume` writes it anew.
    """
    findings = list(_findings(root) if run is None else _of_run(root, run))
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        print(f"elenchus {__version__}, Python {sys.version.split()[0]}, {sys.platform}")
        for finding in findings:
            print(f"{finding.mark}  {finding.what:<16} {finding.found}")
            if finding.remedy:
                print(f"    {finding.remedy}")
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


def _of_run(root: Path, run_id: str) -> Iterator[Finding]:
    """Look for damage in a run, and mend what can be."""
    from elenchus import runs
    from graphs import integrity

    run = runs.find(root, run_id)
    try:
        found = list(integrity.damages(run))
    except UserError as error:
        yield Finding("run.yaml", "damaged", str(error))
        return
    for part, fault, remedy in found:
        if part == run.result.name:
            run.result.replace(run.result.with_suffix(".json.damaged"))
            remedy = f"it is put aside; `{run.command('resume')}` writes it anew"
        yield Finding(part, fault, remedy)
    if not found:
        yield Finding(run.id, "whole")


def _findings(root: Path) -> Iterator[Finding]:
    from elenchus.runs import versions

    for name, version in versions().items():
        yield Finding(name, version)
    missing = [name for name in LOCAL if util.find_spec(name) is None]
    for name in missing:
        yield Finding(name, "missing", f"local models need it: {EXTRA}")
    yield _tried("embedding model", _embedding)
    yield _tried("vector store", _store)
    if not missing:
        yield Finding("students run on", _device())
        yield from _models()
    for extra, (package, use) in OPTIONAL.items():
        there = util.find_spec(package) is not None
        how = f"not installed; {use}: pip install -e '.[{extra}]'"
        yield Finding(f"extra {extra}", "installed" if there else how, optional=not there)
    yield _disk(root)


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, attempt())
    except UserError as error:
        return Finding(what, "unusable", str(error))


def _embedding() -> str:
    from retrieval.embedding import check_embedding, minilm_folder

    check_embedding("minilm")
    minilm_folder()
    return "MiniLM, weights as published"


def _store() -> str:
    import chromadb

    chromadb.EphemeralClient().heartbeat()
    return "Chroma answers"


def _device() -> str:
    """Return where a student is trained and asked: what torch sees of the machine."""
    import torch

    from models.pretrained import usual_device, usual_dtype

    device = usual_device()
    if device == "cpu":
        return f"the processor, in {usual_dtype(device)}: torch sees no GPU"
    gpus = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    named = ", ".join(f"{gpu.name} ({gpu.total_memory / 1e9:.0f} GB)" for gpu in gpus)
    return f"{named}, in {usual_dtype(device)}"


def _models() -> Iterator[Finding]:
    """Load every model that comes with a backend."""
    from models.backend import BACKENDS, backend

    for name in BACKENDS.names():
        try:
            models = backend(f"{name}:").offline_models()
        except UserError as error:  # the package that offers the backend
            yield Finding(name, "unusable", str(error))
            continue
        for model in models:
            yield _tried(model, functools.partial(_load, model))


def _load(name: str) -> str:
    from elenchus.sections import ModelConfig
    from models.backend import make_model

    make_model(ModelConfig(model=name))
    return "loads"


def _disk(root: Path) -> Finding:
    from elenchus.runs import FREE_BYTES

    place = next(p for p in (root, *root.resolve().parents) if p.exists())
    free = shutil.disk_usage(place).free
    remedy = "" if free >= FREE_BYTES else f"a run wants {FREE_BYTES / 1e6:.0f} MB: make room"
    return Finding("disk", f"{free / 1e9:.1f} GB free at {place}", remedy)
