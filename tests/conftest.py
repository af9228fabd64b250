"""Settings and fixtures for all tests: one thread, no network, no tracing."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from pathlib import Path

import pytest

from elenchus.ledger import Ledger

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def ledger(tmp_path: Path):
    """An empty ledger on disk."""
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()
