"""What a question and its expert's answers must pass before anything is built on them.

`unfit` costs nothing and comes before anybody is asked; `ungrounded` looks at one answer of the
expert; `unconfirmed` asks further calls, so it comes last, of what would be accepted.
"""

import re
from collections.abc import Sequence

from agents.expert import false_citation, gold_of
from elenchus.languages import code_of
from elenchus.questions import JOINING, UNSTATED
from elenchus.reasons import FAILED, Code, sentence
from elenchus.records import Answer, Passage, Point, Question, Rejection
from graphs.services import Services
from models.calls import CallFailed

_NOT_ALONE = re.compile(
    r"\b(the|this|that) (passage|text|document|excerpt|section) (above|below|given|says)\b"
    r"|\baccording to (the|this) (passage|text|excerpt)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
LEAST_LENGTH = 120  # characters of a text whose language can be told


def unfit(
    question: Question, asked: Sequence[str], examined: Sequence[str], novelty: float
) -> Rejection | None:
    """Say why a question is put to nobody: it repeats one, or does not stand on its own.

    Args:
        asked: the questions that were put on the point before.
        examined: those of the other sort (of the exam, for training) that it must not resemble.
        novelty: share of its word trigrams from which it does.
    """
    if question.text in asked:
        return rejection("repeats", question=question)
    if _NOT_ALONE.search(question.text):
        return rejection("not-alone", question=question)
    for other in examined:
        if (share := overlap(question.text, other)) >= novelty:
            detail = f"{share:.0%} of its word trigrams are those of: {other}"
            return rejection("near-exam", detail, question=question)
    return None


def overlap(one: str, other: str) -> float:
    """Return the share of one text's word trigrams that another has; 0 for a text of two words."""
    ours, theirs = _trigrams(one), _trigrams(other)
    return len(ours & theirs) / len(ours) if ours else 0.0


def ungrounded(
    answer: Answer, passages: Sequence[Passage], question: Question, points: Sequence[Point]
) -> Rejection | None:
    """Say why an answer of the expert cannot be trained on: undecided, or without true grounds.

    Args:
        passages: all that the expert was shown.
        points: those that the question was written from, its own first.
    """
    said = answer.text
    if question.kind == UNSTATED and not answer.abstained:
        return rejection("decided", raw=said, question=question)
    if reason := false_citation(answer, passages):
        return rejection("false-citation", reason, said, question)
    if question.kind == UNSTATED:
        return None
    if answer.abstained:
        return rejection("undecided", raw=said, question=question)
    if not answer.explanation:
        return rejection("unexplained", raw=said, question=question)
    if question.kind in JOINING and (reason := _one_sided(answer, passages, points)):
        return rejection("one-sided", reason, said, question)
    result = answer.result.strip(" .").lower()
    offered = answer.form == "choice"  # a question may name what there is to choose from
    if not offered and len(result.split()) > 2 and result in question.text.lower():
        return rejection("gives-answer", raw=said, question=question)
    return None


async def unconfirmed(
    answer: Answer, passages: Sequence[Passage], question: Question, points: Sequence[Point],
    run: Services,
) -> tuple[Rejection | None, list[Answer]]:  # fmt: skip
    """Say why an answer that would be accepted is not; return the further answers asked for.

    The cheapest check comes first: the language, whether the wording gives the answer away,
    whether what is cited supports it, and whether further answers of the expert agree with it.

    Raises:
        CallFailed: a reply could not be used.
    """
    checks, said = run.config.checks, answer.text
    whole = f"{question.text}\n{said}"
    if checks.language and (code := _other_language(whole, run.config.language)):
        return rejection("other-language", f"it is {code}", said, question), []
    if checks.guess and question.kind != UNSTATED:
        guessed = await run.grader.guess(question.text)
        if guessed and await _is_right(guessed, answer, question, run):
            return rejection("guessable", guessed, said, question), []
    if checks.support:
        cited = {c.passage_id for c in answer.citations}
        shown = [p for p in passages if p.id in cited] or list(passages)
        if missing := await run.grader.support(question.text, said, shown):
            return rejection("unsupported", missing, said, question), []
    if not checks.agree or run.expert.samples < 2:
        return None, []
    more, shown = await run.expert.answer(question.text, range(1, run.expert.samples))
    for other in more:
        if refused := ungrounded(other, shown, question, points):
            return refused, more
        if other.text == said:
            continue
        if reason := await run.grader.agree(question.text, said, other.text):
            return rejection("disagreement", reason, f"{said}\n{other.text}", question), more
    return None, more


async def _is_right(guessed: str, answer: Answer, question: Question, run: Services) -> bool:
    """Tell whether a result that was guessed from the wording is the right one."""
    if _plain(guessed) == _plain(answer.result):
        return True
    return (await run.grader.grade(question.text, gold_of(answer), [guessed])).results[0]


def rejection(
    code: Code, detail: str = "", raw: str = "", question: Question | None = None
) -> Rejection:
    """Make a rejection; without a raw text, the question is what decided it."""
    raw = raw or (question.text if question else "")
    return Rejection(
        code=code, detail=detail, raw=raw, question_id=question.id if question else None
    )


def failed_call(failed: CallFailed, question: Question | None = None) -> Rejection:
    """Make the rejection that a failed call is."""
    failure = failed.failure
    question_id = question.id if question else None
    code, detail = FAILED[failure.role], sentence(failure)
    return Rejection(code=code, detail=detail, raw=failure.raw, question_id=question_id)


def _one_sided(answer: Answer, passages: Sequence[Passage], points: Sequence[Point]) -> str:
    """Say what an answer lacks that should rest on two points; "" where it rests on two."""
    cited = {c.passage_id for c in answer.citations}
    if len(points) == 1:  # partners are off: the question joins what one passage says
        return ""
    found = {p.id for p in passages}
    first, *others = points
    if not found.intersection(first.passage_ids) or not any(
        found.intersection(p.passage_ids) for p in others
    ):
        return "the expert's search does not find both points"
    joined = any(cited.intersection(p.passage_ids) for p in others)
    if cited.intersection(first.passage_ids) and joined and len(answer.citations) > 1:
        return ""
    return "it does not cite both points"


def _other_language(text: str, language: str) -> str:
    """Return the code of the language that a text is in, where it is another than it should be."""
    import py3langid  # loads its model

    wanted = code_of(language)
    if wanted is None or len(text) < LEAST_LENGTH:
        return ""
    code = str(py3langid.classify(text)[0])
    return "" if code == wanted else code


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return set(zip(words, words[1:], words[2:], strict=False))


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))
