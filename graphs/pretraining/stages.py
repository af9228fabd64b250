"""The stages of a pre-training: what each is trained on, and its training."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from agents.prompting import Subject
from agents.student import prompted
from elenchus.config import TrainingConfig
from elenchus.errors import UserError
from elenchus.outcomes import Adapter
from elenchus.progress import Advance
from elenchus.reasons import Code
from elenchus.records import Document, Message
from graphs import general
from graphs.pretraining import adapters, problems
from graphs.pretraining.config import PretrainingTree
from graphs.pretraining.records import Refusal, TaskPassage, explained
from graphs.pretraining.tasks import Collected
from graphs.services import Services
from models.backend import backend, precision_of, weights
from models.weights import weights_hash
from retrieval.selection import select as selection
from retrieval.selection.overlap import Overlap
from training import encoding, pretraining
from training.checks import check_training
from training.memory import Manner

LEAST = 32  # tokens of a general sample
COPIED: Code = "source-copies-test"


def check(
    config: PretrainingTree, folder: Path, collected: Collected, say: Callable[[str], None]
) -> None:
    """Find what would end a pre-training late.

    Args:
        folder: the domain's.
        collected: the problems of the domain's tasks.
        say: told what to mind.

    Raises:
        UserError: the student cannot be trained so, or cannot read the exam's prompts.
    """
    _, shots = problems.split_shots(collected, config.pretraining.shots)
    subject = Subject.of(config, folder)
    exam = problems.exam(collected.test, shots, partial(prompted, subject))
    prompts = [item.prompt for item in exam]
    longest = max(prompts, key=lambda p: sum(len(m.content) for m in p), default=())
    room = backend(config.student.model).max_new_tokens(config.student) or 0
    pretraining.check(weights(config.student), config.pretraining, longest, room)
    check_training(config.student, _longest_batch(config), say, _manner(config))


def _longest_batch(config: PretrainingTree) -> TrainingConfig:
    """Return the settings of a training whose batches are as large as those with blocks get."""
    own = config.pretraining
    tokens = max(own.block, config.training.max_tokens if own.replay else 0)
    return config.training.model_copy(update={"batch_size": own.batch_size, "max_tokens": tokens})


def _manner(config: PretrainingTree) -> Manner:
    smaller = "pretraining.batch_size, pretraining.block or training.max_tokens"
    if config.pretraining.weights == "lora":
        return Manner("lora", smaller, "")
    return Manner("all", smaller, "set pretraining.weights=lora")


def texts_learnt(config: PretrainingTree) -> dict[str, int | None]:
    """Return which texts are learnt, with the tokens to see of each; None to see all of it once."""
    settings = config.pretraining
    tokens = {"domain": settings.domain_tokens, "passages": settings.passage_tokens}
    return {name: wanted for name, wanted in tokens.items() if wanted != 0}


def stage_names(config: PretrainingTree) -> list[str]:
    """Return what is trained on, one stage after another."""
    names = list(texts_learnt(config))
    return ["mixed"] if config.pretraining.order == "mixed" and len(names) > 1 else names


def domain_texts(run: Services) -> Iterator[str]:
    """Yield the documents and the text selected from a general corpus, without copies of tests."""
    overlap = problems.overlap_with_tests(run)
    for document in run.ledger.all(Document):
        if text := _untested(run, document, overlap):
            yield text
    if run.config.selection.general:
        for selected in selection.read(selection_folder(run)):
            if not overlap.copies(selected.text):
                yield selected.text


def _untested(run: Services, document: Document, overlap: Overlap) -> str:
    """Return a document without paragraphs that copy a test; nothing where one spans several.

    What is left out is recorded.
    """
    if not overlap.copies(document.text):
        return document.text.strip()
    parts = [(part, overlap.copies(part)) for part in re.split(r"\n\s*\n", document.text)]
    text = "\n\n".join(part for part, copied in parts if not copied).strip()
    left_out = [part for part, copied in parts if copied]
    if overlap.copies(text):
        text, left_out = "", [document.text]
    for part in left_out:
        refusal = Refusal(problem_ids=(), code=COPIED, detail=document.source, raw=part)
        run.ledger.write(refusal)
    return text


def selection_folder(run: Services) -> Path:
    """Return where a run keeps what it selected from the general corpus."""
    return run.folder.path / "selection"


def passage_texts(run: Services) -> Iterator[str]:
    """Yield the passages: as turns of a chat in the student's form, or as plain text."""
    passages = run.ledger.all(TaskPassage)
    if not run.config.pretraining.chat:
        return (passage.text for passage in passages)
    chats = (_chat(run, passage) for passage in passages)
    return pretraining.as_chats(weights(run.config.student), chats)


def _chat(run: Services, passage: TaskPassage) -> list[Message]:
    """Return each problem as a question and its paragraph as the answer; then what they share."""
    exchanges = [(problem.question, e.text) for problem, e in explained(run.ledger, passage)]
    if passage.closing:
        exchanges.append((run.config.passages.question, passage.closing))
    return problems.as_chat(exchanges, run.examinee("").prompt)


def train(run: Services, stage: int, previous: str, advance: Advance) -> Adapter:
    """Train a stage, from 1, on top of the one before; a finished one is taken as it is."""
    config, out = run.config, run.folder.adapter(stage)
    settings = config.pretraining
    name = stage_names(config)[stage - 1]
    packs = [
        (_packed(run, part), tokens)
        for part, tokens in texts_learnt(config).items()
        if name in (part, "mixed")
    ]
    seen = sum(len(pack) if tokens is None else tokens for pack, tokens in packs)
    rows = _replayed(run, round(settings.replay * seen), stage)
    plan = pretraining.Plan(packs, rows, settings, config.seed + stage)
    if not len(plan):
        raise UserError(f"stage {name}: there is no text to learn that copies no test problem")
    if not out.exists():
        start = run.folder.path / previous if previous else None
        base, precision = weights(config.student), precision_of(config.student)
        pretraining.train(
            base, plan, settings, config.training, config.seed, out, advance, start, precision
        )
    adapter = Adapter(
        round=stage,
        path=out.relative_to(run.folder.path).as_posix(),
        sha256=weights_hash(out),
        previous=previous,
        dataset_id="",
        steps=len(plan),
        tokens=plan.tokens,
    )
    adapters.write_card(run, adapter, name)
    return adapter


def _packed(run: Services, part: str) -> pretraining.Tokens:
    """Return the tokens of one kind of text, which are written to a file once."""
    in_chat = part == "passages" and run.config.pretraining.chat
    texts = domain_texts(run) if part == "domain" else passage_texts(run)
    file = run.folder.path / "packed" / f"{part}.tokens"
    size = pretraining.pack(weights(run.config.student), texts, file, in_chat)
    copies = run.ledger.count(Refusal, code=COPIED)
    left_out = f"; {copies} paragraphs that copy a test problem left out" if copies else ""
    run.progress.say(f"{part}: {size:,} tokens{left_out if part == 'domain' else ''}")
    return pretraining.packed(file)


def _replayed(run: Services, tokens: int, stage: int) -> list[encoding.Row]:
    """Return general samples of so many tokens, where the student brings some."""
    config = run.config
    samples = general.samples(run, tokens // LEAST, stage)
    rows: list[encoding.Row] = []
    for row in encoding.encoded(weights(config.student), samples):
        if tokens <= 0:
            break
        if len(row["input_ids"]) <= config.training.max_tokens:
            rows.append(row)
            tokens -= len(row["input_ids"])
    return rows
