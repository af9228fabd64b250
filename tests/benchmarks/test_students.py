"""The comparison of a real student before and after, here with the nano's weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu, speeds, students, teaching
from benchmarks.teaching import Maker
from elenchus.errors import UserError
from elenchus.records import Message
from offline.nano.chat import WEIGHTS
from training.encoding import Sample

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
    settings += ["--set", "student.options.max_new_tokens=24"]
    return [*named, "--title", TITLE, "--student", f"hf:{WEIGHTS}", "--out", str(out), "--seeds",
            "1", "--json", *settings]  # fmt: skip


BRIEF = ["--set", "training.epochs=1", "--set", "training.least_steps=1"]


@pytest.fixture
def few_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(students.GeneralPrompts, "exam", lambda *_: GENERAL)
    monkeypatch.setattr(students.GeneralPrompts, "unanswered", lambda _: OPEN)


@pytest.fixture
def no_trl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the one comparison that wants a package which tests do not install."""
    monkeypatch.setattr(speeds, "check_comparable", lambda: None)
    monkeypatch.setattr(speeds, "training_beside_trl", lambda *_: {"peak_mb": 1})


@pytest.mark.usefixtures("few_prompts")
def test_what_is_learnt_and_lost_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert again["after"] == after
    assert again["tokens_per_cpu_second"] is again["tokens_per_second"] is None


@pytest.mark.usefixtures("few_prompts")
def test_short_answers_are_matched_where_the_exam_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path)
    rows = [json.loads(line) for line in files["exam"].read_text("utf-8").splitlines()]
    short = [row | {"answer": f"Hall {n}"} for n, row in enumerate(rows)]
    files["exam"].write_text("\n".join(map(json.dumps, short)), encoding="utf-8")

    def say(
        _: object, prompts: list[tuple[Message, ...]], adapter: Path | None = None
    ) -> list[str]:
        """Answer rightly once trained: all but the first, and but the last in the form."""
        exam = "hall" in prompts[0][-1].content if prompts else False
        said = [f"It is told. So: hall {n}." for n in range(len(prompts))]
        some = ["It is told. So: not hall 0.", *said[1:-1], "Hall 7."]
        return some if exam and adapter else ["no"] * len(prompts)

    monkeypatch.setattr(students, "answers", say)
    form = ["--set", 'answers.template="{explanation} So: {result}."']
    given = [*arguments(files, tmp_path / "out"), *BRIEF, *form, "--rows", "examples alone"]
    assert students.main([*given, "--answers"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["before"]["right"] == 0
    assert figures["after"]["examples alone"]["right"]["value"] == 7 / 8
    with pytest.raises(UserError, match="another --answers"):
        students.main(given)


@pytest.mark.usefixtures("few_prompts")
def test_all_own_answers_are_replayed_where_none_is_to_measure_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed = []

    def maker(*parts: Any) -> Maker:
        made = Maker(*parts)
        replayed.extend(made.own)
        return made

    monkeypatch.setattr(students, "own_answers", lambda *_: [Sample(p, "no") for p in OPEN])
    monkeypatch.setattr(students, "Maker", maker)
    row = ["--rows", "examples with replay"]
    given = [*arguments(write(tmp_path), tmp_path / "out"), *BRIEF, *row]
    assert students.main([*given, "--all-replayed"]) == 0
    assert len(replayed) == len(OPEN)
    general = json.loads(capsys.readouterr().out)["general"]
    assert set(general["before"]) == set(general["after"]["examples with replay"]) == {"general"}
    with pytest.raises(UserError, match="another --all-replayed"):
        students.main(given)


@pytest.mark.usefixtures("few_prompts")
def test_figures_of_other_inputs_or_settings_are_not_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, out = write(tmp_path), tmp_path / "out"
    first = [*arguments(files, out), *BRIEF, "--rows", "examples alone"]
    assert students.main(first) == 0
    others = {
        "--title": ["--title", "torches"],
        "--examples": ["--examples", "5"],
        "--set": ["--set", "training.rank=4"],
        "--student": ["--student", "builtin:nano"],
    }
    for name, more in others.items():
        with pytest.raises(UserError, match=rf"another [^:]*{name}[^:]*: give another --out"):
            students.main([*first, *more])
    for name, file in (*files.items(), ("documents", files["documents"] / "d0.md")):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            file.write_text(text + "\n\n", encoding="utf-8")
            file.write_text(text.replace("amp 0", "amp 00"), encoding="utf-8")
            with pytest.raises(UserError, match=rf"another --{name}: give another --out"):
                students.main(first)
            file.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert students.main([*first, "distilled", "--seeds", "2"]) == 0  # these may grow
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["after"]) == {"examples alone", "distilled"} and figures["seeds"] == 2


def test_rows_are_known_ones_and_follow_what_they_start_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teaching.in_order(["preferred"]) == ["examples alone", "preferred"]
    given = ["raw documents", "preferred", "distilled", "preferred", "examples alone"]
    assert teaching.in_order(given) == [
        "examples alone", "distilled", "preferred", "raw documents",
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        students.main([*arguments(write(tmp_path), tmp_path / "out"), "--rows", "destilled"])
    assert "invalid choice: 'destilled'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("few_prompts", "no_trl")
def test_the_built_in_student_is_trained_and_timed_in_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*arguments(write(tmp_path, count=20), tmp_path / "out"), "--student", "builtin:nano"]
    assert students.main([*given, "--quick", "--speed"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["after"]) == {"examples alone", "distilled"}
    assert (figures["examples"], figures["questions"]) == (6, 6)
    assert figures["answers_per_second"] > 0 and figures["answers_over_generate"] > 0
    assert figures["tokens_per_second"] > 0


def test_what_speeds_are_compared_with_is_looked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speeds, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install trl"):
        students.main([*arguments(write(tmp_path), tmp_path / "out"), "--speed"])
    assert not (tmp_path / "out" / "own.json").exists()


@pytest.mark.usefixtures("few_prompts", "no_trl")
def test_objectives_are_compared_in_half_precision_where_there_is_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(write(tmp_path, count=4), tmp_path / "out")
    monkeypatch.setattr(gpu, "usual_device", lambda: "cpu")
    with pytest.raises(UserError, match="no GPU here"):
        gpu.main(given)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(gpu, "usual_device", lambda: "cuda")
    assert gpu.main([*given, *BRIEF]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert set(json.loads(line)["after"]) == set(teaching.OBJECTIVES)
    assert json.loads((tmp_path / "out" / "made-of.json").read_text())["precision"] == "bfloat16"


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
