"""What methods that read documents do alike before a run: look through them, and compare."""

from pathlib import Path

from elenchus.config import CommonConfig
from elenchus.progress import Progress
from graphs.hand_exam import read_hand_exam
from models.backend import weights
from retrieval.embedding import check_embedding, check_reranker
from retrieval.index import Index


def fingerprint(config: CommonConfig, folder: Path, progress: Progress, strict: bool) -> str:
    """Look through the documents of a domain, and its hand-written exam; what tells them apart.

    Not strict, hand-written questions may quote what no document says any more.

    Raises:
        UserError: documents or exam cannot be used.
    """
    index = Index(config, folder)
    try:
        with progress.stage("Look through documents") as advance:
            index.read(advance)
        if config.exam.hand is not None:
            documents = list(index.catalogue.documents())
            read_hand_exam(folder / config.exam.hand, documents, strict)
        return index.fingerprint()
    finally:
        index.close()


def check(config: CommonConfig) -> None:
    """Find out whether the student has weights to train, and the searches their models.

    Raises:
        UserError: something is missing.
    """
    if config.training.enabled:
        weights(config.student)
    check_embedding(config.retrieval.embedding)
    check_reranker(config.retrieval.reranker)
