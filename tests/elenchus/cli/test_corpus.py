"""`elenchus corpus`, as a person or a script uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.programs import Program

ROOT = Path(__file__).resolve().parents[3]
PAINT = "Paint must dry for 9 hours. The harbour master may ask for more in wet weather"
MAIL = """From office Thu Jan  1 00:00:00 2026
Message-ID: <1@port>
Subject: Ruling on ladders
Content-Type: text/plain; charset=utf-8

A ladder must be tied whenever a vessel lies alongside.

From office Thu Jan  2 00:00:00 2026
Message-ID: <2@port>
Subject: A picture
Content-Type: image/png

iVBORw0KGgo=
"""


@pytest.fixture
def fresh(elenchus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new domain without documents, beside a folder with two; commands are typed there."""
    monkeypatch.chdir(tmp_path)
    assert elenchus("new", "port").code == 0
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ladders.md").write_text("# Ladders\n\nA ladder must be tied.", "utf-8")
    (tmp_path / "rules" / "paint.txt").write_text(f"{PAINT}.", "utf-8")
    (tmp_path / "rules" / "empty.md").write_text("", "utf-8")
    return tmp_path / "domains" / "port" / "domain.yaml"


def test_from_a_folder_to_a_first_search(elenchus, fresh: Path) -> None:
    before = fresh.read_text("utf-8")
    end = elenchus("corpus", "add", "port", "rules", "--json")
    assert (end.code, end.json["documents"], end.json["embedded"]) == (0, 2, 2)
    assert end.json["refused"] == {"rules/empty.md": "the file is empty"}
    text = fresh.read_text("utf-8")
    assert text.startswith(before), "comments stay"
    assert yaml.safe_load(text)["corpus"]["sources"] == ["../../rules"]
    hits = elenchus("corpus", "search", "port", "Must a ladder be tied?", "--json").json
    assert hits[0]["text"] == "A ladder must be tied."
    assert (hits[0]["heading"], hits[0]["start"]) == (["Ladders"], 11)
    assert hits[0]["score"] > hits[1]["score"]
    end = elenchus("corpus", "search", "port", "ladder", "--count", "1")
    assert "A ladder must be tied." in end.out
    assert "Ladders [11:33]" in end.out
    paint = "rules/paint.txt"
    inside = elenchus("corpus", "search", "port", "ladder", "--in", paint, "--json")
    assert [hit["source"] for hit in inside.json] == [paint]


def test_documents_can_be_listed_and_shown(elenchus, fresh: Path) -> None:
    elenchus("corpus", "add", "port", "rules")
    rows = elenchus("corpus", "list", "port", "--json").json
    assert [(row["source"], row["title"], row["passages"]) for row in rows] == [
        ("rules/ladders.md", "Ladders", 1),
        ("rules/paint.txt", "paint", 1),
    ]
    assert "source  ../../rules" in elenchus("corpus", "list", "port").out
    shown = elenchus("corpus", "show", "port", "paint.txt", "--json").json
    (passage,) = shown["passages"]
    assert shown["text"][passage["start"] : passage["end"]] == passage["text"]
    assert PAINT[:27] in elenchus("corpus", "show", "port", "paint.txt").out
    end = elenchus("corpus", "show", "port", "rope.txt")
    assert (end.code, "no document ends in 'rope.txt'" in end.err) == (2, True)
    stats = elenchus("corpus", "stats", "port", "--json").json
    assert (stats["documents"], stats["passages"]) == (2, 2)
    assert stats["languages"] == {"und": 1, "en": 1}
    assert "the file is empty" in elenchus("corpus", "stats", "port").out


def test_a_source_can_be_taken_out_again(elenchus, fresh: Path) -> None:
    elenchus("corpus", "add", "port", "rules/ladders.md")
    elenchus("corpus", "add", "port", "rules/paint.txt")
    end = elenchus("corpus", "remove", "port", "rules/ladders.md", "--json")
    assert (end.json["documents"], end.json["removed"]) == (1, 1)
    assert yaml.safe_load(fresh.read_text("utf-8"))["corpus"]["sources"] == [
        "../../rules/paint.txt"
    ]
    end = elenchus("corpus", "remove", "port", "elsewhere")
    assert (end.code, "it has: ../../rules/paint.txt" in end.err) == (2, True)


def test_documents_do_not_command_the_terminal(elenchus, fresh: Path, tmp_path: Path) -> None:
    text = "# A \x1b]0;title\x07\n\nA ladder\x1b[2J must be tied. [bold]Always[/bold]. \x9b31m"
    (tmp_path / "rules" / "odd\x1b[31m.md").write_text(text, "utf-8")
    elenchus("corpus", "add", "port", "rules")
    for command in (["list"], ["show", ".md"], ["search", "ladder"], ["stats"]):
        end = elenchus("corpus", command[0], "port", *command[1:])
        assert not {"\x1b", "\x07", "\x9b"} & set(end.out + end.err)
    assert "[bold]Always[/bold]" in elenchus("corpus", "search", "port", "ladder").out


def test_a_source_that_cannot_be_loaded_is_not_kept(elenchus, fresh: Path) -> None:
    before = fresh.read_text("utf-8")
    (fresh.parent / "empty").mkdir()
    for source in ("hf:empty", "{loader: nobody}", "rules/empty.md"):
        assert elenchus("corpus", "add", "port", source).code in (1, 2)
    assert fresh.read_text("utf-8") == before


def test_a_source_of_refusals_alone_is_not_kept(elenchus, fresh: Path) -> None:
    elenchus("corpus", "add", "port", "rules")
    before = fresh.read_text("utf-8")
    (fresh.parent / "scans").mkdir()
    for n in range(30):
        (fresh.parent / "scans" / f"{n}.png").write_bytes(b"x")
    end = elenchus("corpus", "add", "port", "scans")
    assert end.code == 2 and "nothing of it could be used, so it is not kept" in end.err
    assert fresh.read_text("utf-8") == before


def test_documents_that_say_the_same_are_one_line(elenchus, fresh: Path) -> None:
    (fresh.parent / "more").mkdir()
    for n in range(60):
        text = f"A rope must be {'dry' if n % 2 else 'wet'} in winter and in summer."
        (fresh.parent / "more" / f"{n:02}.md").write_text(text)
    lines = elenchus("corpus", "add", "port", "more").out.splitlines()
    assert [line for line in lines if "the same text as another" in line] == [
        "  more/02.md, more/03.md, more/04.md and 55 more: the same text as another"
    ]


def test_documents_that_are_there_by_default_stay(elenchus, fresh: Path) -> None:
    (fresh.parent / "documents" / "rope.md").write_text("A rope must be dry.", "utf-8")
    assert elenchus("corpus", "add", "port", "rules", "--json").json["documents"] == 3
    sources = yaml.safe_load(fresh.read_text("utf-8"))["corpus"]["sources"]
    assert sources == ["documents", "../../rules"]


def test_nothing_loaded_is_a_failure(elenchus, fresh: Path) -> None:
    end = elenchus("corpus", "add", "port", "rules/empty.md")
    assert end.code == 1
    assert "empty.md: the file is empty" in end.err


@pytest.mark.parametrize("source", ["nowhere", "{path: a, hf: b}", "{paths: a}", "{path: ["])
def test_what_is_no_source_changes_nothing(elenchus, fresh: Path, source: str) -> None:
    before = fresh.read_text("utf-8")
    end = elenchus("corpus", "add", "port", source)
    assert (end.code, end.err.count("\n")) == (2, 1)
    assert fresh.read_text("utf-8") == before


def test_a_loader_of_another_package(fresh: Path, tmp_path: Path) -> None:
    """The example of docs/corpora.md, installed as a package of its own."""
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--disable-pip-version-check", "--target", site,
         ROOT / "docs" / "example-loader"],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "rulings.mbox").write_text(MAIL, "utf-8")
    source = "{loader: mbox, options: {path: rulings.mbox}}"
    end = Program("corpus", "add", "port", source, "--json", site=site).ended()
    assert end.code == 0, end.err
    counts = json.loads(end.out)
    assert counts["documents"] == 1
    assert counts["refused"] == {"rulings.mbox#<2@port>": "no plain text in it"}


THINGS = [
    "anchor", "barge", "crane", "engine", "ferry", "hawser", "jetty", "keel", "lamp", "mast",
    "net", "oar", "quay", "rope", "sail", "tug", "wharf", "winch", "yacht", "buoy", "chain",
    "dock",
]  # fmt: skip


def test_search_is_tuned_by_an_exam_written_by_hand(elenchus, fresh: Path) -> None:
    rules = {thing: f"The {thing} must be looked after by its keeper." for thing in THINGS}
    text = "\n\n".join(f"# {thing}\n\n{rule}" for thing, rule in rules.items())
    (fresh.parent / "things.md").write_text(text, "utf-8")
    questions = [
        json.dumps({"question": f"Who keeps the {thing}?", "answer": "its keeper", "quote": rule})
        for thing, rule in rules.items()
    ]
    assert elenchus("corpus", "add", "port", fresh.parent / "things.md").code == 0
    assert "give --run RUN" in elenchus("corpus", "tune", "port").err
    (fresh.parent / "exam.jsonl").write_text("\n".join(questions), "utf-8")
    hand = ("--set", "exam.hand=exam.jsonl")
    bad = ("--set", "retrieval.neighbours=[0.9, 0.9]", "--set", "retrieval.lexical_weight=0")
    tuned = elenchus("corpus", "tune", "port", *hand, *bad, "--json").json
    assert tuned["questions"] == 11
    assert tuned["quality"]["chosen"]["mrr"] > tuned["quality"]["present"]["mrr"]
    written = yaml.safe_load(fresh.read_text("utf-8"))["retrieval"]
    assert written == tuned["taken"]
    again = elenchus("corpus", "tune", "port", *hand)
    assert again.code == 0 and "left as it is" in again.out and "recall@10" in again.out
