"""The notebook of the documentation runs from its first cell to its last."""

from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Launching included, which has to do without an event loop of its own there."""
    notebook = nbformat.read(ROOT / "docs" / "python.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "is kept without outputs"
    nbclient.NotebookClient(notebook, timeout=600).execute(cwd=str(tmp_path))
    shown = [out.data["text/plain"] for cell in notebook.cells for out in cell.get("outputs", ())
             if out["output_type"] == "execute_result"]  # fmt: skip
    assert shown[0] == "('finished', 20)"
    assert "recall" in shown[1] and "completion" in shown[2] and "code" in shown[3]
    assert list(tmp_path.glob("runs/market/*/report.html"))
