"""What a question and its expert's answers must pass before anything is built on them."""

import re

from agents.expert import false_citation
from elenchus.reasons import FAILED, Code, sentence
from elenchus.records import Answer, Passage, Question, Rejection
from graphs.services import Services
from models.calls import CallFailed

_NOT_ALONE = re.compile(
    r"\b(the|this|that) (passage|text|document|excerpt|section) (above|below|given|says)\b"
    r"|\baccording to (the|this) (passage|text|excerpt)\b",
    re.IGNORECASE,
)


def unfit(question: Question, asked: tuple[str, ...]) -> Rejection | None:
    """Say why a question is put to nobody: it repeats one, or does not stand on its own."""
    if question.text in asked:
        return rejection("repeats", question=question)
    if _NOT_ALONE.search(question.text):
        return rejection("not-alone", question=question)
    return None


async def unsound(
    expert: list[Answer], passages: list[Passage], question: Question, services: Services
) -> Rejection | None:
    """Say why the expert's answers cannot be trained on: unanswered, ungrounded, or at odds.

    Raises:
        CallFailed: the grader was asked whether two answers agree, and gave no usable reply.
    """
    said = "\n".join(answer.text for answer in expert)
    if any(answer.abstained for answer in expert):
        return rejection("undecided", raw=said, question=question)
    for each in expert:
        if reason := false_citation(each, passages):
            return rejection("false-citation", reason, said, question)
    others = [a.text for a in expert[1:] if a.text != expert[0].text]
    if others:
        verdict = await services.grader.grade(question.text, expert[0].text, others)
        if any(grade != "correct" for grade in verdict.grades):
            return rejection("disagreement", raw=said, question=question)
    result = expert[0].text.rpartition("So:")[2].strip(" .")
    if len(result.split()) > 2 and result.lower() in question.text.lower():
        return rejection("gives-answer", raw=said, question=question)
    return None


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
