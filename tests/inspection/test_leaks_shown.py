"""What leaks is shown in the report and on the page of the run, and texts are texts."""

from pathlib import Path

from starlette.testclient import TestClient

from elenchus import runs
from evaluation.contamination import Text
from evaluation.leaks import Seen, report
from graphs import leaks
from inspection import report as reports
from inspection.pages.app import make_app
from tests.inspection.making import HOSTILE, fill, finish, make_run

ITEM = f"How long may a boat of class three stay at the berths of the harbour? {HOSTILE}"


def test_leaks_are_shown_as_texts(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    fill(folder).close()
    finish(folder)
    client = TestClient(make_app(tmp_path), base_url="http://localhost")
    address = f"/runs/{folder.path.parent.name}/{folder.id}"
    assert "Seen before" not in client.get(address).text
    seen = Seen([Text("x-1", ITEM)], [])
    found = report({"own": [Text("i", ITEM), Text("j", "What is new?")]}, seen, None, "")
    runs.write_atomic(folder.path / leaks.NAME, found.model_dump_json())
    for shown in (client.get(address).text, reports.write(folder).read_text("utf-8")):
        assert "Seen before" in shown and "words in a row" in shown and "example x-1" in shown
        assert "<script>document" not in shown and "&lt;script&gt;" in shown
    (folder.path / leaks.NAME).write_text("{", "utf-8")
    assert "Seen before" not in client.get(address).text
