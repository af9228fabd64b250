"""Exports: what each tool's own rules ask of a file, on the dataset of a real run."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from datasets import load_dataset

from elenchus.errors import UserError
from elenchus.front_matter import read_front_matter
from elenchus.ledger import Ledger
from elenchus.loading import merged
from elenchus.outcomes import Example
from elenchus.progress import Unseen
from elenchus.records import Citation, Document, Examination, Point, Seed
from elenchus.runs import RunFolder
from graphs import trained
from graphs.adaptation import citing, folder
from graphs.adaptation.result import AdaptationResult
from graphs.config import of_run
from graphs.exporting import export
from graphs.services import Services
from publishing.exports import EVERY
from publishing.formats import FORMATS
from publishing.schemas import SCHEMAS
from tests.conftest import Outcome
from tests.publishing.making import copied, lines

CHATS = [name for name, form in FORMATS.items() if "chats" in form.needs and name != "argilla"]


@pytest.fixture
def run(trained_run: Path) -> RunFolder:
    """A finished run, which nobody changes."""
    return RunFolder(trained_run)


def wrong_for_openai(row: dict[str, Any]) -> Iterator[str]:
    """Yield what OpenAI's published check of chat files counts as an error of a row."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "no messages"
        return
    if set(row) - {"messages", "tools", "parallel_tool_calls"}:
        yield "a key that it does not know"
    for message in messages:
        if set(message) - {"role", "content", "name", "function_call", "weight"}:
            yield "a key of a message that it does not know"
        if message.get("role") not in ("system", "user", "assistant", "function"):
            yield "no role"
        if not isinstance(message.get("content"), str) or not message["content"]:
            yield "no content"
    if messages[-1]["role"] != "assistant":
        yield "the last message is not the assistant's"


def test_every_key_of_a_row_is_in_the_card(run: RunFolder) -> None:
    for name in ("train.jsonl", "pairs.jsonl", "held-out.jsonl", "rejected.jsonl"):
        for row in lines(run.dataset / name):
            assert row.keys() <= SCHEMAS[name].keys.keys(), name


def test_the_card_tells_of_this_run_and_of_no_other(run: RunFolder) -> None:
    """Only prompts of its calls, files that are there, and what was left out."""
    text = (run.dataset / "README.md").read_text("utf-8")
    assert (
        "`expert/answer.md`" in text and "`expert/rate.md`" not in text and "`author/" not in text
    )
    assert "`left-out.jsonl`" not in text and "training.max_tokens" not in text
    assert " 0 " not in text.partition("## Verdict")[0]


def test_the_hub_loads_the_dataset_folder(run: RunFolder) -> None:
    matter, _ = read_front_matter((run.dataset / "README.md").read_text("utf-8"))
    assert len(matter["configs"]) > 2
    for config in matter["configs"]:
        (part,) = config["data_files"]
        loaded = load_dataset(str(run.dataset), config["config_name"], split=part["split"])
        assert len(loaded) == len(lines(run.dataset / part["path"]))


def test_datasets_does_not_take_one_run_for_another(run: RunFolder, tmp_path: Path) -> None:
    """It keeps what it loaded by the name of the folder, and all runs' have one name."""
    loaded = {}
    for name in ("one", "other"):
        bare = RunFolder(tmp_path / name / run.id)
        bare.dataset.mkdir(parents=True)
        shutil.copy(run.path / "run.yaml", bare.path)
        shutil.copy(run.dataset / "README.md", bare.dataset)
        rows = lines(run.dataset / "train.jsonl")
        for row in rows:
            row["completion"][0]["content"] = name
        written = "".join(json.dumps(row) + "\n" for row in rows)
        (bare.dataset / "train.jsonl").write_text(written, encoding="utf-8")
        done = export(bare, "alpaca", None, 0, force=False)
        loaded[name] = load_dataset(str(done.folder), cache_dir=str(tmp_path / "cache"))
    assert {name: set(rows["train"]["output"]) for name, rows in loaded.items()} == {
        "one": {"one"},
        "other": {"other"},
    }


def test_licences_of_the_settings_are_on_the_card(run: RunFolder, tmp_path: Path) -> None:
    copy = copied(run, tmp_path)
    changes = {
        "dataset": {"licence": "CC-BY-4.0"},
        "corpus": {"sources": [{"path": "documents", "licence": "MIT"}]},
    }
    copy._write_manifest(merged(copy.manifest(), {"config": changes}))
    result = AdaptationResult.model_validate_json(copy.result.read_bytes())
    services = Services(copy, of_run(copy), copy.domain_folder(), Ledger(copy.ledger), Unseen())
    with closing(services):
        folder.write_card(services, result)
    matter, body = read_front_matter((copy.dataset / "README.md").read_text("utf-8"))
    assert matter["license"] == "cc-by-4.0" and "| documents | MIT |" in body
    done = export(copy, "trl", tmp_path / "trl", 0, force=False)
    assert "license: cc-by-4.0" in (done.folder / "README.md").read_text("utf-8")


def test_quotes_stand_where_the_rows_say(run: RunFolder) -> None:
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        texts = {document.source: document.text for document in ledger.all(Document)}
        examples = {example.id: example for example in ledger.all(Example)}
    rows = lines(run.dataset / "train.jsonl")
    assert rows
    for row in rows:
        assert row["citations"]
        for cited in row["citations"]:
            text = texts[cited["document"]]
            assert text[cited["start"] : cited["end"]] == cited["quote"] != ""
            assert cited["title"] and isinstance(cited["heading"], list)
            assert cited["passage_id"] in examples[row["provenance"]["example_id"]].passage_ids


@pytest.mark.parametrize("name", CHATS)
def test_datasets_loads_each_form_with_its_splits(
    run: RunFolder, tmp_path: Path, name: str
) -> None:
    done = export(run, name, tmp_path / name, 0.2, force=False)
    loaded = load_dataset(str(done.folder))
    assert {part: len(rows) for part, rows in loaded.items()} == {
        Path(file).stem.partition("-")[0]: count for file, count in done.rows.items()
    }
    assert sum(done.rows.values()) == len(lines(run.dataset / "train.jsonl"))
    assert set(loaded) == {"train", "test"}
    matter, body = read_front_matter((done.folder / "README.md").read_text("utf-8"))
    assert matter["license"] == "unknown" and f"--format {name}" in body
    assert body.count("\n## Files\n") == body.count("\n## How to load it\n") == 1


def test_no_point_and_no_pair_is_in_two_splits(run: RunFolder, tmp_path: Path) -> None:
    point = {
        row["provenance"]["example_id"]: row["provenance"]["point_id"]
        for row in lines(run.dataset / "train.jsonl")
    }
    messages = export(run, "messages", tmp_path / "messages", 0.2, force=False).folder
    train, test = (
        {point[row["id"]] for row in lines(messages / f"{part}.jsonl")}
        for part in ("train", "test")
    )
    assert train and test and train.isdisjoint(test)
    pairs = export(run, "preference", tmp_path / "pairs", 0.2, force=False).folder
    asked = {
        row["prompt"][-1]["content"]: point[row["example_id"]]
        for row in lines(run.dataset / "pairs.jsonl")
    }
    for part, points in (("train", train), ("test", test)):
        for row in lines(pairs / f"{part}.jsonl"):
            assert asked[row["prompt"][-1]["content"]] in points
            assert row["chosen"][0]["role"] == row["rejected"][0]["role"] == "assistant"
            assert row["chosen"] != row["rejected"]


def about(row: dict[str, Any]) -> set[str]:
    return {row["provenance"]["point_id"], *row["provenance"]["partner_ids"]}


def test_a_row_that_joins_points_has_them_all_on_its_side(run: RunFolder, tmp_path: Path) -> None:
    copy = copied(run, tmp_path)
    rows = lines(copy.dataset / "train.jsonl")
    points = sorted({row["provenance"]["point_id"] for row in rows})
    for row in rows:  # each is joined to one that others are about
        place = points.index(row["provenance"]["point_id"])
        row["provenance"]["partner_ids"] = [points[place ^ 1]] if place ^ 1 < len(points) else []
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (copy.dataset / "train.jsonl").write_text(text, encoding="utf-8")
    done = export(copy, "parquet", tmp_path / "out", 0.3, force=False).folder
    parts = load_dataset(str(done))
    train, test = (set[str]().union(*map(about, parts[part])) for part in ("train", "test"))
    assert train and test and train.isdisjoint(test)


def test_what_an_example_joins_is_what_its_answer_cites(run: RunFolder, tmp_path: Path) -> None:
    """Rows of earlier versions do not say it: their ledger does."""
    copy = copied(run, tmp_path)
    rows = lines(copy.dataset / "train.jsonl")
    assert all(row["provenance"]["partner_ids"] == [] for row in rows)  # this domain joins none
    with closing(Ledger(copy.ledger)) as ledger:
        first = rows[0]["provenance"]
        example = next(e for e in ledger.all(Example) if e.id == first["example_id"])
        examination = ledger.get(Examination, example.examination_id)
        points = [point for point in ledger.all(Point) if point.id != example.point_id]
        cited = {one["passage_id"] for one in rows[0]["citations"]}
        far = [p.id for p in points if not cited.intersection(p.passage_ids)]
        grounds = (Citation(passage_id=min(cited), quote="a quote"),)
        joined = ledger.get(Point, far[-1]).model_copy(update={"grounds": grounds})
        ledger.write(joined)
        offered = {"partner_ids": (far[0], joined.id, "o-gone")}
        seed = ledger.get(Seed, examination.seed_id).model_copy(update=offered)
        asked = examination.model_copy(update={"seed_id": seed.id})
        joining = example.model_copy(update={"examination_id": asked.id})
        ledger.write(seed, asked, joining)
        passages = citing.citations(ledger, [joining])
        assert citing.joined(ledger, [joining], passages) == [[joined.id]]
    for row in rows:
        del row["provenance"]["partner_ids"]
    rows[0]["provenance"]["example_id"] = joining.id
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (copy.dataset / "train.jsonl").write_text(text, encoding="utf-8")
    (copy.dataset / "pairs.jsonl").unlink()
    parts = {}
    for part, some in load_dataset(str(export(copy, "messages", tmp_path / "out", 0.4, False)[0])
                                   ).items():  # fmt: skip
        parts[part] = set(some["id"])
    point = {row["provenance"]["example_id"]: row["provenance"]["point_id"] for row in rows}
    beside = {i for i, about in point.items() if about == example.point_id}
    assert any(beside <= ids for ids in parts.values())


def test_each_trainer_finds_what_it_looks_for(run: RunFolder, tmp_path: Path) -> None:
    expected = lines(run.dataset / "train.jsonl")[0]
    system, user = (message["content"] for message in expected["prompt"])
    answer = expected["completion"][0]["content"]

    def first(name: str) -> dict[str, Any]:
        return lines(export(run, name, tmp_path / name, 0, force=False).folder / "train.jsonl")[0]

    chat = [*expected["prompt"], *expected["completion"]]
    assert first("openai") == first("axolotl") == first("llamafactory") == {"messages": chat}
    assert first("trl") == {"prompt": expected["prompt"], "completion": expected["completion"]}
    alpaca = {"system": system, "instruction": user, "input": "", "output": answer}
    assert first("alpaca") == alpaca
    said = [("system", system), ("human", user), ("gpt", answer)]
    assert first("sharegpt")["conversations"] == [{"from": f, "value": v} for f, v in said]
    axolotl = yaml.safe_load((tmp_path / "axolotl" / "axolotl.yaml").read_text("utf-8"))
    assert axolotl["datasets"][0]["path"] == "train.jsonl" and "test_datasets" not in axolotl
    info = json.loads((tmp_path / "llamafactory" / "dataset_info.json").read_text("utf-8"))
    assert info["pool_train"]["file_name"] == "train.jsonl"
    assert info["pool_train"]["tags"]["assistant_tag"] == "assistant"


def test_openai_would_take_the_file(run: RunFolder, tmp_path: Path) -> None:
    done = export(run, "openai", tmp_path / "all", 0, force=False)
    rows = lines(done.folder / "train.jsonl")
    assert bool(done.note) == (len(rows) < 10)
    assert [fault for row in rows for fault in wrong_for_openai(row)] == []
    assert [*wrong_for_openai({"messages": [{"role": "user", "content": "a", "id": 1}]})]


def test_argilla_gets_what_a_review_gives_it(
    run: RunFolder, tmp_path: Path, elenchus: Callable[..., Outcome]
) -> None:
    done = export(run, "argilla", tmp_path / "argilla", 0.2, force=False)
    mine = {one["id"]: one for one in json.loads((done.folder / "records.json").read_text("utf-8"))}
    other = tmp_path / "review.json"
    root = run.path.parent.parent
    elenchus("review", run.id, "--export", other, "--format", "argilla", "--runs", root)
    for one in json.loads(other.read_text("utf-8")):
        same = mine.pop(one["id"])
        assert same.keys() == one.keys() and same["metadata"] == one["metadata"]
        assert same["fields"]["question"] == one["fields"]["question"]
        assert same["fields"]["answer"] == one["fields"]["answer"]
    assert not mine
    shown = (done.folder / "records.json").read_text("utf-8")
    assert "[Part 1. The pool > 1.1 Swimming]" in shown, "a title stands once above a quote"


def test_nothing_is_overwritten_unless_it_is_asked_for(
    run: RunFolder, tmp_path: Path, elenchus: Callable[..., Outcome]
) -> None:
    root, to = run.path.parent.parent, tmp_path / "out"
    command = ("export", run.id, "--format", "messages", "--to", to, "--runs", root)
    assert elenchus(*command).code == 0
    (to / "train.jsonl").write_text("mine", encoding="utf-8")
    again = elenchus(*command)
    assert again.code == 2 and "exists already" in again.err and "--force" in again.err
    assert (to / "train.jsonl").read_text("utf-8") == "mine"
    forced = elenchus(*command, "--force", "--json")
    count = len(lines(run.dataset / "train.jsonl"))
    assert forced.code == 0 and sum(forced.json["rows"].values()) == count
    assert len(lines(to / "train.jsonl")) == forced.json["rows"]["train.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_no_split_of_an_earlier_export_stays_beside_a_new_one(
    run: RunFolder, tmp_path: Path
) -> None:
    for name, test in (("messages", "test.jsonl"), ("parquet", "data/test-00000-of-00001.parquet")):
        to = export(run, name, tmp_path / name, 0.2, force=False).folder
        assert (to / test).exists()
        (to / "mine.txt").write_text("mine", encoding="utf-8")
        export(run, name, to, 0, force=True)
        assert not (to / test).exists() and (to / "mine.txt").exists()


@pytest.mark.parametrize("place", [".", "dataset", "exports/../adapters/new"])
def test_no_export_goes_where_the_run_keeps_its_own(run: RunFolder, place: str) -> None:
    before = sorted(run.path.glob("**/*.*son*")), sorted(run.path.glob("*/*"))
    for command in (export, trained.export_weights):
        form = "trl" if command is export else "merged"
        last: tuple[Any, ...] = (0.2,) if command is export else (None,)
        with pytest.raises(UserError, match="is the run's own: give another --to"):
            command(run, form, run.path / place, *last, True)
    assert before == (sorted(run.path.glob("**/*.*son*")), sorted(run.path.glob("*/*")))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "word"), "there is no format 'word'"),
        (("--format", "trl", "--test-share", "0.9"), "give a share from 0 to 0.5"),
        (("--format", "trl", "--test-share", "nan"), "give a share from 0 to 0.5"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: RunFolder, elenchus: Callable[..., Outcome], options: tuple[str, ...], said: str
) -> None:
    end = elenchus("export", run.id, *options, "--runs", run.path.parent.parent)
    assert end.code == 2 and said in end.err and end.err.count("\n") == 1
    assert not (run.path / "exports").exists()


def test_a_run_without_a_dataset_is_refused(
    run: RunFolder, tmp_path: Path, elenchus: Callable[..., Outcome]
) -> None:
    bare = tmp_path / "runs" / "pool" / run.id
    bare.mkdir(parents=True)
    shutil.copy(run.path / "run.yaml", bare)
    end = elenchus("export", run.id, "--format", "trl", "--runs", tmp_path / "runs")
    assert end.code == 2 and "has no dataset to export" in end.err
    (bare / "dataset").mkdir()
    (bare / "dataset" / "train.jsonl").write_text('{"prompt": []}\n', encoding="utf-8")
    end = elenchus("export", run.id, "--format", "trl", "--runs", tmp_path / "runs")
    assert end.code == 2 and "cannot be read" in end.err


def test_texts_go_where_texts_are_learnt(run: RunFolder, tmp_path: Path) -> None:
    """Also the documents' own passages, which the file of the method `rewriting` holds."""
    bare = RunFolder(tmp_path / "runs" / "pool" / run.id)
    bare.dataset.mkdir(parents=True)
    shutil.copy(run.path / "run.yaml", bare.path)
    rows = [
        {"task": "raw", "text": f"text {n}", "passage_ids": [f"p-{n // 2}"], "call_id": "",
         "id": f"w-{n}"}
        for n in range(8)
    ]  # fmt: skip
    written = "".join(json.dumps(row) + "\n" for row in rows)
    (bare.dataset / "texts.jsonl").write_text(written, encoding="utf-8")
    for name in ("trl", "axolotl", "llamafactory", "parquet"):
        done = export(bare, name, None, 0.25, force=False)
        parts = load_dataset(str(done.folder))
        assert sorted(t for part in parts.values() for t in part["text"]) == [
            f"text {n}" for n in range(8)
        ]
    end = [name for name in EVERY if "texts" not in EVERY[name].needs]
    for name in end:
        with pytest.raises(Exception, match=r"takes .* and this run's dataset has texts"):
            export(bare, name, None, 0.25, force=False)
