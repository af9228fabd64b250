"""What a run of `method: passages` trains on, its stages, and its end."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elenchus import runs
from elenchus.errors import UserError
from elenchus.records import Adapter, Document, ExamItem, Message, Score, as_message
from graphs.adaptation import report
from graphs.adaptation.state import AdaptationState
from graphs.config import DomainConfig
from graphs.pretraining import problems
from graphs.pretraining.records import Explanation, Problem, Refusal, TaskPassage
from graphs.services import Services
from models.backend import weights
from models.weights import weights_hash
from retrieval.selection import select as selection
from retrieval.selection.overlap import Overlap
from training import dataset, evaluation, general, lora, pretraining

Row = dict[str, Any]
EXAMS = ("held-out", "general", "hand")
LEARNT = "what was to be learnt"
LEAST = 32  # tokens of a general sample


def stages(config: DomainConfig) -> list[str]:
    """What is trained on, one after another."""
    parts = learnt(config)
    return ["mixed"] if config.pretraining.order == "mixed" and len(parts) > 1 else parts


def learnt(config: DomainConfig) -> list[str]:
    """Which texts are learnt: those of the domain, passages, or both."""
    own = config.pretraining
    tokens = {"domain": own.domain_tokens, "passages": own.passage_tokens}
    return [name for name, wanted in tokens.items() if wanted != 0]


def tests(run: Services) -> Overlap:
    """What tells texts that copy what the student is judged on."""
    return Overlap.of(problems.tested(run), run.config.passages.copied)


def domain_texts(run: Services) -> Iterator[str]:
    """The documents and what was selected from a general corpus, without what copies a test."""
    overlap = tests(run)
    for document in run.ledger.all(Document):
        if text := _untested(run, document, overlap):
            yield text
    if run.config.selection.general:
        for selected in selection.read(selection_folder(run)):
            if not overlap.copies(selected.text):
                yield selected.text


def _untested(run: Services, document: Document, overlap: Overlap) -> str:
    """A document without the paragraphs that copy a test; all of it goes where one spans several.

    What goes is recorded.
    """
    if not overlap.copies(document.text):
        return document.text.strip()
    parts = re.split(r"\n\s*\n", document.text)
    copies = [overlap.copies(part) for part in parts]
    kept = "\n\n".join(p for p, copied in zip(parts, copies, strict=True) if not copied).strip()
    gone = [p for p, copied in zip(parts, copies, strict=True) if copied]
    if overlap.copies(kept):
        kept, gone = "", [document.text]
    reason = f"{LEARNT} of {document.source} copies a test problem"
    run.ledger.write(*(Refusal(problem_ids=(), reason=reason, raw=part) for part in gone))
    return kept


def selection_folder(run: Services) -> Path:
    """Where a run keeps what it selected from the general corpus."""
    return run.folder.path / "selection"


def passage_texts(run: Services) -> Iterator[str]:
    """The passages: as turns of a chat in the student's form, or as plain text."""
    passages = run.ledger.all(TaskPassage)
    if not run.config.pretraining.chat:
        return (passage.text for passage in passages)
    turns = (_turns(run, passage) for passage in passages)
    return pretraining.as_chats(weights(run.config.student), turns)


def _turns(run: Services, passage: TaskPassage) -> list[Message]:
    """Each problem as a question and its paragraph as the answer; then what they share."""
    prompt = run.examinee("").prompt
    asked = [run.ledger.get(Problem, i) for i in passage.problem_ids]
    explained = [run.ledger.get(Explanation, i) for i in passage.explanation_ids]
    said = [(p.question, e.text) for p, e in zip(asked, explained, strict=True)]
    closing = run.config.passages.question
    said += [(closing, passage.closing)] if passage.closing else []
    *system, _ = prompt("").messages
    turns = [
        message
        for question, answer in said
        for message in (prompt(question).messages[-1], as_message("assistant", answer))
    ]
    return [*system, *turns]


def train(run: Services, stage: int, previous: str, advance: Advance) -> Adapter:
    """Train a stage, from 1, on top of the one before; a finished one is taken as it is."""
    config, out = run.config, run.folder.adapter(stage)
    base, own = weights(config.student), config.pretraining
    name = stages(config)[stage - 1]
    wanted = {"domain": own.domain_tokens, "passages": own.passage_tokens}
    parts = [part for part in wanted if name in (part, "mixed")]
    packs = [(_packed(run, part), wanted[part]) for part in parts]
    seen = sum(len(tokens) if most is None else most for tokens, most in packs)
    rows = _replayed(config, round(own.replay * seen), stage)
    plan = pretraining.Plan(packs, rows, own, config.seed + stage)
    if not len(plan):
        raise UserError(f"stage {name}: there is no text to learn that copies no test problem")
    if not out.exists():
        start = run.folder.path / previous if previous else None
        training, seed = config.training, config.seed
        pretraining.train(base, plan, own, training, seed, out, advance, start)
    return Adapter(
        round=stage,
        path=out.relative_to(run.folder.path).as_posix(),
        sha256=weights_hash(out),
        previous=previous,
        dataset_id="",
        steps=len(plan),
        tokens=plan.tokens,
    )


def _packed(run: Services, part: str) -> pretraining.Tokens:
    in_chat = part == "passages" and run.config.pretraining.chat
    texts = domain_texts(run) if part == "domain" else passage_texts(run)
    file = run.folder.path / "packed" / f"{part}.tokens"
    size = pretraining.pack(weights(run.config.student), texts, file, in_chat)
    gone = sum(refusal.reason.startswith(LEARNT) for refusal in run.ledger.all(Refusal))
    left_out = f"; {gone} paragraphs that copy a test problem left out" if gone else ""
    run.progress.say(f"{part}: {size:,} tokens{left_out if part == 'domain' else ''}")
    return pretraining.packed(file)


def _replayed(config: DomainConfig, tokens: int, stage: int) -> list[lora.Row]:
    """General samples of so many tokens, where the student brings some."""
    samples = general.samples(config, tokens // LEAST, stage)
    rows: list[lora.Row] = []
    for row in lora.encoded(weights(config.student), samples):
        if tokens <= 0:
            break
        if len(row["input_ids"]) <= config.training.max_tokens:
            rows.append(row)
            tokens -= len(row["input_ids"])
    return rows


def conclude(run: Services, state: AdaptationState) -> Row:
    """Write the passages out, and result.json last: its existence means that all is done."""
    folder = run.folder.dataset
    folder.mkdir(exist_ok=True)
    ledger = run.ledger
    known = {problem.id: problem for problem in ledger.all(Problem)}
    explained = {explanation.id: explanation for explanation in ledger.all(Explanation)}
    passages = [_as_row(passage, known, explained) for passage in ledger.all(TaskPassage)]
    refused = [_refused(refusal, known) for refusal in ledger.all(Refusal)]
    dataset.write_rows(folder / "passages.jsonl", passages)
    dataset.write_rows(folder / "rejected.jsonl", refused)
    dataset.write_exam(folder / "held-out.jsonl", ledger.all(ExamItem, exam="held-out"))
    result = _result(run, state)
    runs.write_atomic(folder / "card.md", _card(run, result))
    runs.write_json(run.folder.result, result)
    return result


def _as_row(
    passage: TaskPassage, known: dict[str, Problem], explained: dict[str, Explanation]
) -> Row:
    paragraphs = [explained[i] for i in passage.explanation_ids]
    return {
        "id": passage.id,
        "text": passage.text,
        "problems": [{"task": known[i].task, "place": known[i].place} for i in passage.problem_ids],
        "citations": [c.model_dump() for p in paragraphs for c in p.citations],
    }


def _refused(refusal: Refusal, known: dict[str, Problem]) -> Row:
    return {
        "reason": refusal.reason,
        "problems": [known[i].question for i in refusal.problem_ids],
        "raw": refusal.raw,
    }


def _result(run: Services, state: AdaptationState) -> Row:
    ledger, usual = run.ledger, report.result_of(run, state)
    refusals = ledger.all(Refusal)
    return usual | {
        "stages": _stages(run),
        "problems": ledger.count(Problem, test=False),
        "explanations": ledger.count(Explanation),
        "passages_written": ledger.count(TaskPassage),
        "refused": dict(Counter(r.reason.split(":")[0] for r in refusals).most_common()),
        "examples": ledger.count(TaskPassage),
    }


def _stages(run: Services) -> list[Row]:
    """The untouched student, then every stage: what it was trained on, and its exams."""
    adapters = {adapter.round: adapter for adapter in run.ledger.all(Adapter)}
    rows: list[Row] = []
    for number, name in enumerate(["untouched", *stages(run.config)]):
        adapter = adapters.get(number)
        row: Row = {"stage": name}
        row |= {"tokens": adapter.tokens, "steps": adapter.steps} if adapter else {}
        for exam in EXAMS:
            row[exam] = _sat(run, exam, number)
        rows.append(row)
    return rows


def _sat(run: Services, exam: str, stage: int) -> Row | None:
    """Share of right answers after a stage, the paired gain on the untouched student, and tasks."""
    scores = run.ledger.all(Score, exam=exam, round=stage)
    before = run.ledger.all(Score, exam=exam, round=0)
    asked = run.ledger.all(ExamItem, exam=exam)
    items = evaluation.graded(asked, before, scores)
    if not items:
        return None
    kinds = {
        kind: round(evaluation.share([i for i in items if i.kind == kind], scores), 4)
        for kind in sorted({i.kind for i in items})
    }
    gain = dataclasses.asdict(evaluation.gain(items, before, scores)) if stage else None
    right = dataclasses.asdict(evaluation.accuracy(items, scores))
    ungraded = len(asked) - len(items)
    found = {"questions": len(items), "ungraded": ungraded, "accuracy": right, "gain": gain}
    return found | {"kinds": kinds}


def _card(run: Services, result: Row) -> str:
    config = run.config
    rows = "".join(
        f"| {row['stage']} | {row.get('tokens', 0):,} | "
        + " | ".join(_percent(row[exam]) for exam in EXAMS)
        + " |\n"
        for row in result["stages"]
    )
    refused = "".join(f"- {count} × {reason}\n" for reason, count in result["refused"].items())
    return f"""# Passages of run {result["run"]}

Domain: {config.title}

- `passages.jsonl`: {result["passages_written"]} passages, each about problems of
  {"several tasks" if config.passages.across else "one task"}, from {result["explanations"]}
  paragraphs on {result["problems"]} problems.
- `rejected.jsonl`: what was not kept, and why.
- `held-out.jsonl`: the exam. Never train on it.

Paragraphs come from {config.expert.model}, grounded on cited passages and compared with the gold
answers by {config.grader.model}; the student is {config.student.model}.

| after | tokens | held-out exam | general exam | hand-written exam |
|---|---|---|---|---|
{rows}
## Why paragraphs and passages were refused

{refused or "- none was"}
"""


def _percent(sat: Row | None) -> str:
    if sat is None:
        return "–"
    found = sat["accuracy"]
    return f"{found['value']:.1%} [{found['low']:.1%}, {found['high']:.1%}]"
