"""One small run, with the built-in student among mocks, for all tests of reading runs."""

from pathlib import Path

import pytest
from conftest import TRAINED, launched, write_pool


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    home = write_pool(tmp_path_factory.mktemp("inspected"), TRAINED)
    return Path(launched(home)["path"])
