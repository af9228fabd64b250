"""Pages, as a program asks for them: what they show, and what they keep out."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from elenchus.ledger import Ledger
from elenchus.records import Document, Examination, Passage, Turn
from elenchus.runs import RunFolder
from inspection.pages import texts
from inspection.pages.app import make_app
from inspection.pages.guard import FIELD, posted
from inspection.pages.texts import Span
from tests.inspection.making import HOSTILE, fill, finish, make_run

LOCAL = "http://localhost"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, one whose run.yaml is damaged, and one of another version."""
    folder = tmp_path_factory.mktemp("pages") / "runs"
    for domain, right in (("harbour", 0.7), ("quay", 0.4)):
        run = make_run(folder, domain)
        fill(run, right=right).close()
        finish(run, after=right)
    damaged = make_run(folder, "broken")
    with (damaged.path / "run.yaml").open("a", encoding="utf-8") as file:
        file.write("more: x\n")
    other = make_run(folder, "older")
    ledger = Ledger(other.ledger)
    ledger._db.connection.execute("PRAGMA user_version=3")
    ledger.close()
    finish(other)
    make_run(folder, "begun")
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(make_app(root), base_url=LOCAL) as opened:
        yield opened


def of(root: Path, domain: str = "harbour") -> RunFolder:
    (folder,) = (root / domain).iterdir()
    return RunFolder(folder)


def address(run: RunFolder, more: str = "") -> str:
    return f"/runs/{run.path.parent.name}/{run.id}{more}"


def shown(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def every_page(root: Path) -> list[str]:
    """Return an address of every page, most of a run that is full of hostile texts."""
    run = of(root)
    ledger = Ledger(run.ledger, read_only=True)
    examinations, turns = ledger.all(Examination), {t.id: t for t in ledger.all(Turn)}
    hostile = next(
        e for e in examinations if e.turn_ids and HOSTILE in turns[e.turn_ids[-1]].question.text
    )
    call = turns[hostile.turn_ids[0]].student[1].call_id
    document = next(d for d in ledger.all(Document) if HOSTILE in d.text)
    passage = next(p for p in ledger.all(Passage) if HOSTILE in p.text)
    ledger.close()
    pages = (
        "", "/examinations", "/examinations?q=%22class+3%22&outcome=accepted", "/rejections",
        f"/examinations/{hostile.id}", "/dataset", "/exams", "/exams?change=learnt", "/corpus",
        "/corpus?q=strangers", f"/corpus/{document.id}", "/records", "/records/Turn",
        "/records/Call", f"/record/{hostile.turn_ids[0]}", f"/record/{call}",
        f"/record/{passage.id}", "/records/Point?q=%3Cscript",
    )  # fmt: skip
    names = f"a=harbour/{run.id}&b=quay/{of(root, 'quay').id}"
    return ["/runs", f"/compare?{names}", *(address(run, page) for page in pages)]


def test_the_list_shows_every_run_whatever_state_it_is_in(root: Path, client: TestClient) -> None:
    page = shown(client, "/runs")
    for domain in ("harbour", "broken", "older", "begun"):
        assert f">{domain}</a>" in page
    assert page.count("unreadable</span>") == 1 and "run.yaml is damaged" in page
    assert "[+40.0, +60.0]" in page
    assert client.get("/").url.path == "/runs"


def test_a_ledger_without_its_tables_disturbs_no_other_run(tmp_path: Path) -> None:
    run, whole = make_run(tmp_path, "torn"), make_run(tmp_path)
    ledger = Ledger(run.ledger)
    ledger._db.connection.execute("DROP TABLE calls")
    ledger._db.connection.execute("DROP TABLE sent")
    ledger.close()
    finish(run)
    with TestClient(make_app(tmp_path), base_url=LOCAL) as client:
        page = shown(client, "/runs")
        assert run.id in page and whole.id in page
        assert "cannot be read (no such table" in shown(client, address(run))
        assert client.get(address(run, "/records/Call")).status_code == 422


def test_a_run_that_cannot_be_read_is_shown_with_the_reason(root: Path, client: TestClient) -> None:
    broken = client.get(address(of(root, "broken")))
    assert broken.status_code == 422 and "is damaged" in broken.text
    older = shown(client, address(of(root, "older")))
    assert "written by another version of Elenchus" in older and "A gain beyond chance" in older
    assert "has not written anything yet" in shown(client, address(of(root, "begun")))
    for path in ("/runs/harbour/none", "/runs/../etc", address(of(root), "/examinations/e-1"),
                 address(of(root), "/record/q-zz"), "/nowhere"):  # fmt: skip
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize("number", range(20))
def test_hostile_texts_are_texts(root: Path, client: TestClient, number: int) -> None:
    path = every_page(root)[number]
    page = shown(client, path)
    assert "<script>document" not in page and "<img" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)
    assert "49" not in re.findall(r"txt\.exe.{0,12} (\S+) ", page)  # no template inside a text
    tags = re.findall(r"<[a-z][^>]*>", page)
    assert not [tag for tag in tags if re.search(r"\son\w+=|\sstyle=|javascript:", tag)]
    scripts = [tag for tag in tags if tag.startswith("<script")]
    assert scripts == ['<script src="/static/pages.js" defer>']
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", " ".join(tags)).replace("http-", "")


def test_hostile_texts_are_still_there_to_read(root: Path, client: TestClient) -> None:
    (page,) = [p for p in every_page(root) if "/examinations/e-" in p]
    text = html.unescape(re.sub(r"<[^>]+>", "", shown(client, page)))
    assert texts.visible(HOSTILE) in text
    assert "⟨U+202E⟩txt.exe⟨U+202C⟩" in text and "�[31mred" in text


def test_an_examination_shows_what_was_asked_answered_and_cited(
    root: Path, client: TestClient
) -> None:
    run = of(root)
    ledger = Ledger(run.ledger, read_only=True)
    accepted = next(e for e in ledger.all(Examination) if e.accepted_turn_id)
    turn = ledger.get(Turn, accepted.turn_ids[-1])
    ledger.close()
    page = shown(client, address(run, f"/examinations/{accepted.id}?outcome=accepted"))
    quote = turn.expert[0].citations[0].quote
    assert f'<mark id="quote-1">{html.escape(quote, quote=False)[:20]}' in page
    assert page.count('href="#quote-1"') == 2  # both turns cite the same
    assert "<ins>For</ins>" in page or ("<ins>" in page and "<del>" in page)
    assert "The student guessed the days." in page and "names the days" in page
    assert page.count("student</td>") == 4 and "support</td>" in page
    assert re.search(r"<dt>Cost</dt><dd>\$0\.\d+", page)
    assert f"{address(run, '/examinations')}?outcome=accepted" in page


def test_a_list_is_what_its_address_says(root: Path, client: TestClient) -> None:
    path = address(of(root), "/examinations?outcome=accepted&kind=apply&sort=gap&order=desc")
    page = shown(client, path)
    links = re.findall(r'data-row href="([^"]+)"', page)
    assert links and all("outcome=accepted" in link and "sort=gap" in link for link in links)
    assert "kind: apply" in page and "outcome: accepted" in page
    rest = address(of(root), "/examinations?kind=apply&amp;sort=gap&amp;order=desc")
    assert f'href="{rest}"' in page  # without one of the filters
    found = shown(client, address(of(root), "/examinations?q=%22For+how+many+days%22"))
    assert "<mark>For how many days</mark>" in found and "6 examinations" in found


@settings(max_examples=20)
@given(st.text(), st.text())
def test_no_address_breaks_a_page(client: TestClient, root: Path, name: str, value: str) -> None:
    query = {"q": name, "page": value, "round": value, "exam": name, "change": value,
             "sort": name, "kind": value, "since": name, "gap_from": value}  # fmt: skip
    for page in ("/examinations", "/exams", "/corpus", "/dataset", "/records/Turn", "/rejections"):
        answer = client.get(address(of(root), page), params=query)
        assert answer.status_code == 200
        assert "<script>document" not in answer.text
    assert client.get("/runs", params=query).status_code == 200
    assert client.get("/compare", params={"a": name, "b": value}).status_code in (200, 404)


def test_two_runs_are_compared_on_the_same_questions(root: Path, client: TestClient) -> None:
    pair = {"a": f"harbour/{of(root).id}", "b": f"quay/{of(root, 'quay').id}"}
    page = client.get("/compare", params=pair).text
    same = client.get("/compare", params=pair | {"b": pair["a"]}).text
    assert "+0.0 [+0.0, +0.0]" in same
    counts = re.findall(r'<td class="number">24</td>', page)
    assert counts and re.search(r"-\d+\.\d \[-\d+\.\d, [-+]\d+\.\d\]", page)
    assert "right in the first" in page


def test_only_this_servers_names_are_answered(root: Path, client: TestClient) -> None:
    for host in ("localhost", "localhost:8500", "127.0.0.1:8500", "[::1]:8500", "192.168.0.7"):
        assert client.get("/runs", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io", "a:b:c", "["):
        assert client.get("/runs", headers={"host": host}).status_code == 421, host
    named = TestClient(make_app(root, frozenset(("box",))), base_url="http://box:8500")
    assert named.get("/runs").status_code == 200


def test_pages_load_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/runs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in ("style.css", "pages.js", "icon.svg"):
        part = client.get(f"/static/{name}")
        assert part.status_code == 200
        assert "//" not in part.text.replace("http://www.w3.org", "").replace("// ", "")
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_a_token_is_asked_for_once(root: Path) -> None:
    app = make_app(root, token="secret-token")
    with TestClient(app, base_url=LOCAL) as client:
        assert client.get("/runs").status_code == 403
        assert client.get("/static/style.css").status_code == 403
        assert client.get("/runs?token=other").status_code == 403
        entered = client.get("/runs?state=finished&token=secret-token", follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, "/runs?state=finished")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert client.get("/runs").status_code == 200
        away = client.get("/%2Fevil.example/?token=secret-token", follow_redirects=False)
        assert away.headers["location"] == "/evil.example/"


def test_nothing_is_written_from_elsewhere(root: Path, client: TestClient) -> None:
    assert client.post("/runs").status_code == 403
    own, other = {"origin": LOCAL}, {"origin": "http://evil.example"}
    assert client.post("/runs", headers=other).status_code == 403
    assert client.post("/runs", headers=own | {"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/runs", headers=own).status_code == 405  # all is read-only

    async def note(request: Request) -> PlainTextResponse:
        fields = await posted(request)
        return PlainTextResponse("no", 403) if fields is None else PlainTextResponse(fields["text"])

    app = make_app(root)
    app.router.routes.insert(0, Route("/note", note, methods=["POST"]))
    assert isinstance(app, Starlette)
    with TestClient(app, base_url=LOCAL) as writing:
        form = {FIELD: app.state.form_token, "text": "kept & read"}
        assert writing.post("/note", data=form, headers=own).text == "kept & read"
        assert writing.post("/note", data=form, headers=other).status_code == 403
        assert writing.post("/note", data=form | {FIELD: "x"}, headers=own).text == "no"
        assert writing.post("/note", data={"text": "x"}, headers=own).text == "no"
        assert writing.post("/note", content=b"a" * 2_000_000, headers=own).text == "no"


def test_long_texts_are_cut_and_whole() -> None:
    text = "0123456789" * 10_000
    page = texts.prose(text)
    assert "show all 100,000 characters" in page
    assert re.sub(r"<summary>.*?</summary>|<[^>]+>", "", page) == text


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70))))
def test_marks_change_no_text(text: str, ends: list[tuple[int, int]]) -> None:
    page = texts.marked(text, [Span(*pair) for pair in ends])
    assert isinstance(page, Markup)
    plain = html.unescape(re.sub(r"</?mark[^>]*>", "", page))
    assert plain == texts.visible(text)
    anchored = texts.marked(text, [Span(*pair, f"quote-{n}") for n, pair in enumerate(ends)])
    reached = sum(0 <= start < end <= len(text) for start, end in ends)
    assert len(set(re.findall(r'id="(quote-\d+)"', anchored))) >= reached
    covered = {i for start, end in ends for i in range(max(0, start), min(len(text), end))}
    marked = "".join(re.findall(r"<mark>(.*?)</mark>", page, re.DOTALL))
    expected = "".join(texts.visible(text[i]) for i in sorted(covered))
    assert html.unescape(marked) == expected


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    page = texts.difference(before, after)
    later = re.sub(r"<del>.*?</del>|</?ins>", "", page, flags=re.DOTALL)
    earlier = re.sub(r"<ins>.*?</ins>|</?del>", "", page, flags=re.DOTALL)
    assert html.unescape(later) == texts.visible(after)
    assert html.unescape(earlier) == texts.visible(before)
