"""Review in a browser: decisions are kept, and the training goes on with them."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from conftest import TRAINED, write_pool
from httpx import Response
from playwright import sync_api
from starlette.testclient import TestClient

from elenchus import runs
from elenchus.errors import RunStopped
from elenchus.ledger import Ledger
from elenchus.outcomes import Decision
from elenchus.progress import Unseen
from elenchus.runs import RunFolder
from graphs import runner
from graphs.config import load
from inspection.pages.app import make_app
from tests.inspection.serving import Server

CORRECTED = "The byelaws say otherwise. So: corrected."


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that waits for a review before it trains."""
    home = write_pool(tmp_path_factory.mktemp("waiting"), TRAINED)
    settings = home / "domain.yaml"
    text = settings.read_text("utf-8").replace("examples: [11, 22]", "examples: [6]")
    text = text.replace("training: {", "review: true\ntraining: {replay: 0, ")
    settings.write_text(text.replace("general: 8", "general: 0"), encoding="utf-8")
    root = home.parent / "runs"
    with pytest.raises(RunStopped, match="elenchus review"):
        runner.launch(load(settings), home, root, None, Unseen())
    return runs.listed(root)[0]


@pytest.fixture
def client(waiting: RunFolder) -> Iterator[TestClient]:
    app = make_app(waiting.path.parent.parent)
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def place(run: RunFolder, more: str = "") -> str:
    return f"/runs/{run.path.parent.name}/{run.id}/review{more}"


def decisions(run: RunFolder) -> list[Decision]:
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        return sorted(ledger.all(Decision), key=lambda d: d.number)


def first(client: TestClient, run: RunFolder) -> str:
    """Return the address of the first example in the list."""
    page = client.get(place(run)).text
    return page.partition(f'href="{place(run)}/')[2].partition('"')[0]


def sent(
    client: TestClient, run: RunFolder, origin: str = "http://localhost", **more: str
) -> Response:
    fields = {"form_token": client.app.state.form_token, "reviewer": "Ada"} | more
    return client.post(
        place(run, f"/{first(client, run)}"), data=fields, headers={"Origin": origin},
        follow_redirects=False,
    )  # fmt: skip


def test_nobody_else_decides(client: TestClient, waiting: RunFolder) -> None:
    for refused in (
        sent(client, waiting, form_token="another", action="accept"),
        sent(client, waiting, origin="http://elsewhere.example", action="accept"),
        client.post(place(waiting, f"/{first(client, waiting)}"), data={"action": "accept"}),
    ):
        assert refused.status_code == 403
    assert client.get(place(waiting, "/x-nowhere")).status_code == 404
    assert decisions(waiting) == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"action": "dance"}, "choose whether"),
        ({"action": "accept", "reviewer": " "}, "name of the person"),
        ({"action": "correct", "question": "<b>Who?</b>", "completion": "Me."}, "form"),
        ({"action": "correct", "question": "Who?", "completion": CORRECTED, "citations": "p-1"},
         "a citation is"),
        ({"action": "correct", "question": "Who?", "completion": CORRECTED,
          "citations": "p-1 never"}, "no passage has the id"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_said_and_what_was_written_stays(
    client: TestClient, waiting: RunFolder, fields: dict[str, str], why: str
) -> None:
    refused = sent(client, waiting, **fields)
    assert refused.status_code == 422 and why in refused.text
    assert "<b>Who" not in refused.text
    if "question" in fields:
        assert fields["completion"] in refused.text
    assert decisions(waiting) == []


def test_three_are_reviewed_and_the_training_goes_on(
    browser: sync_api.Browser,
    waiting: RunFolder,
    elenchus: Callable[..., Any],
) -> None:
    site = Server(waiting.path.parent.parent)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    context.set_default_timeout(20_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(site.url + place(waiting))
    page.get_by_role("link", name="At random").click()
    page.get_by_role("link", name="Begin").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Accept").click()
    page.get_by_text("1 decided").wait_for()
    assert page.get_by_label("Your name").input_value() == "Ada"
    page.get_by_text("Correct it").click()
    page.get_by_label("Answer", exact=True).fill(CORRECTED)
    page.get_by_label("Reason").fill("the fine is another")
    page.get_by_role("button", name="Keep the correction").click()
    page.get_by_text("2 decided").wait_for()
    page.get_by_label("Reason").fill("nobody asks this")
    page.get_by_role("button", name="Reject").click()
    page.get_by_text("3 decided").wait_for()
    page.get_by_role("link", name="The list").click()
    page.get_by_text("1 accepted, 1 corrected, 1 rejected. Of 3 drawn at random").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    site.close()
    assert faults == []

    kept = decisions(waiting)
    assert [d.action for d in kept] == ["accept", "correct", "reject"]
    assert all(d.sampled and d.reviewer == "Ada" for d in kept)
    root = waiting.path.parent.parent
    ended = elenchus("resume", waiting.id, "--runs", root, "--json")
    assert ended.code == 0, ended.err
    result = ended.json
    assert result["adapter"] and result["review"]["sampled"] == 3
    lines = (waiting.dataset / "train.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    texts = {(r["prompt"][-1]["content"], r["completion"][0]["content"]) for r in rows}
    assert (kept[1].question, CORRECTED) in texts
    assert (kept[2].question, kept[2].completion) not in texts and len(rows) == 5
    assert "Of 3 drawn at random" in (waiting.dataset / "README.md").read_text("utf-8")
