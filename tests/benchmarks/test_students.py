"""The comparison of a real student before and after, here with the nano's weights."""

import json
from pathlib import Path

import pytest

from benchmarks import students
from elenchus.errors import UserError
from elenchus.records import Message
from offline.nano.chat import WEIGHTS

TITLE = "lamps"


def write(folder: Path, count: int = 8) -> dict[str, Path]:
    """Write examples, an exam on two documents, and a folder of documents."""
    examples = [
        {"question": f"Where is lamp {n}?", "explanation": f"Lamp {n} is in hall {n}.",
         "result": f"Hall {n}",
         "citations": [{"document": f"d{n % 2}.md", "quote": f"in hall {n}"}]} for n in range(count)
    ]  # fmt: skip
    exam = [
        {"question": f"In which hall is lamp {n}?", "answer": f"Lamp {n} is in hall {n}.",
         "document": f"d{n % 2}.md", "quote": f"Lamp {n} is"} for n in range(count)
    ]  # fmt: skip
    files = {name: folder / f"{name}.jsonl" for name in ("train", "exam")}
    for file, rows in zip(files.values(), (examples, exam), strict=True):
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files["documents"] = folder / "documents"
    files["documents"].mkdir()
    for k in range(2):
        text = "\n\n".join(f"Lamp {n} is in hall {n}." for n in range(k, count, 2))
        (files["documents"] / f"d{k}.md").write_text(text, encoding="utf-8")
    return files


def arguments(files: dict[str, Path], out: Path) -> list[str]:
    named = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    values = {"learning_rate": 0.004, "least_steps": 8, "epochs": 8}
    settings = [part for k, v in values.items() for part in ("--set", f"training.{k}={v}")]
    return [*named, "--title", TITLE, "--student", f"hf:{WEIGHTS}", "--out", str(out), "--seeds",
            "1", "--json", *settings]  # fmt: skip


def test_what_is_learnt_and_lost_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students.GeneralPrompts, "exam", lambda *_: GENERAL)
    monkeypatch.setattr(students.GeneralPrompts, "unanswered", lambda _: OPEN)
    files = write(tmp_path)
    assert students.main(arguments(files, tmp_path / "out")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["questions"] == figures["examples"] == 8
    after = figures["after"]
    assert set(after) == set(students.ROWS)
    learnt = after["examples alone"]["likelihood"]
    assert learnt["value"] > figures["before"]["likelihood"]
    assert learnt["low"] <= learnt["gain"] <= learnt["high"]
    assert 0 <= after["examples alone"]["right_of_four"]["value"] <= 1
    kept = figures["general"]
    assert kept["before"]["general"] in (0.0, 0.5, 1.0)
    lost = [kept["after"][f"examples {how}"]["own"]["gain"] for how in ("with replay", "alone")]
    assert lost[0] > lost[1]
    assert students.main(arguments(files, tmp_path / "out")) == 0  # what is trained is kept
    again = json.loads(capsys.readouterr().out)
    assert again["after"] == after and again["tokens_per_cpu_second"] is None


def asked(*questions: str) -> list[tuple[Message, ...]]:
    return [(Message(role="user", content=question),) for question in questions]


GENERAL = [(messages, "blue") for messages in asked("What is blue?", "Which colour?")]
OPEN = asked(*(f"What is the limit for a toy {n}?" for n in range(12)))


def test_too_few_answers_to_compare_with_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, count=3)
    with pytest.raises(UserError, match="4 different answers at least"):
        students.main(arguments(files, tmp_path / "out"))


def test_a_line_without_a_column_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path)
    files["train"].write_text('{"question": "a"}', encoding="utf-8")
    with pytest.raises(UserError, match=r"line 1: .*result"):
        students.main(arguments(files, tmp_path / "out"))
