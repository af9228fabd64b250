"""What is installed, what is missing, and how to get it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from elenchus.errors import UserError
from elenchus.runs import FREE_BYTES, versions
from elenchus.sections import ModelConfig

EXTRA = "pip install -e '.[train]'"
# Extras by one of their packages: what they are for.
OPTIONAL = {
    "documents": ("markitdown", "PDF, DOCX, other formats of offices, Parquet"),
    "hub": ("datasets", "datasets of the Hugging Face hub"),
    "select": ("datasketch", "selection from a general corpus"),
    "openai": ("langchain_openai", "models of OpenAI"),
    "anthropic": ("langchain_anthropic", "models of Anthropic"),
    "ollama": ("langchain_ollama", "models of Ollama"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` is empty when it is well."""

    what: str
    found: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Look at packages, models, store and disk; nothing is changed."""
    found = [Finding(name, version) for name, version in versions().items()]
    missing = [
        name
        for name in ("torch", "transformers", "peft", "sklearn", "matplotlib")
        if util.find_spec(name) is None
    ]
    found += [Finding(name, "missing", f"local models need it: {EXTRA}") for name in missing]
    found.append(_tried("embedding model", _embedding))
    found.append(_tried("vector store", _store))
    if not missing:
        found += [_tried(name, _model(name)) for name in ("builtin:reader", "builtin:nano")]
    return [*found, *_extras(), *_disk(root)]


def _extras() -> Iterator[Finding]:
    """What only some domains want; to lack it is no trouble."""
    for extra, (package, use) in OPTIONAL.items():
        there = util.find_spec(package) is not None
        yield Finding(
            f"extra {extra}",
            "installed" if there else f"not installed; {use}: pip install -e '.[{extra}]'",
        )


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

    client = chromadb.EphemeralClient()
    client.heartbeat()
    return "Chroma answers"


def _model(name: str) -> Callable[[], str]:
    def attempt() -> str:
        from models.backend import make_model

        make_model(ModelConfig(model=name))
        return "loads"

    return attempt


def _disk(root: Path) -> Iterator[Finding]:
    place = next(p for p in (root, *root.resolve().parents) if p.exists())
    free = shutil.disk_usage(place).free
    remedy = "" if free >= FREE_BYTES else f"a run wants {FREE_BYTES / 1e6:.0f} MB: make room"
    yield Finding("disk", f"{free / 1e9:.1f} GB free at {place}", remedy)
