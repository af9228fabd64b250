"""The files of a dataset folder: which of the hub's configurations and splits each one is.

`elenchus.records` and `elenchus.outcomes` say more of what provenance and exams hold.
"""

from typing import NamedTuple


class Schema(NamedTuple):
    """A file: its configuration and split, a sentence on it, and its keys with their meanings."""

    config: str
    split: str
    about: str
    keys: dict[str, str]


_CITED = (
    "passages that it rests on: `document` (its path), `title`, `heading`, `quote`, and `start` "
    "and `end`, the quote's place in the document's text in characters, null where it is not found"
)
_REFUSED = {
    "code": "the reason, as programs compare it",
    "detail": "the reason, for people",
    "question": "that was asked, where one was",
    "kind": "of question or task",
    "reply": "of the model, which decided it",
    "passages": "that the reply was written from: `id`, `document`, `heading`, `text`",
}
SCHEMAS = {
    "train.jsonl": Schema(
        "default",
        "train",
        "questions with the answers that are to be learnt",
        {
            "prompt": "messages before the answer: `role` and `content`",
            "completion": "the answer, as one message of the assistant",
            "citations": _CITED,
            "provenance": "the ids of what it was made from (`point_id`, and `partner_ids` of what "
            "it joins to that: statements of the documents), the `kind` of question, the `form` of "
            "its `result`, the `rubric`, the `round`, and `weight`: how far the student's own "
            "answers fell short, from 0 to 1",
        },
    ),
    "pairs.jsonl": Schema(
        "pairs",
        "train",
        "of those questions the ones that the student answered wrongly, with both answers",
        {
            "prompt": "messages before the answer",
            "chosen": "the answer of `train.jsonl`",
            "rejected": "the student's own wrong answer",
            "rubric": "what decides whether another answer is as good, where it is a judgement",
            "passage_ids": "passages that the question and the answer rest on",
            "example_id": "the `provenance.example_id` in `train.jsonl`",
        },
    ),
    "texts.jsonl": Schema(
        "default",
        "train",
        "texts that are learnt as they stand",
        {
            "task": "of the author: what sort of text it is",
            "text": "what is learnt",
            "passage_ids": "passages that it was written from",
            "call_id": "the model's call that wrote it; empty for a passage as it stands",
            "id": "of the text",
        },
    ),
    "passages.jsonl": Schema(
        "default",
        "train",
        "passages about problems of several tasks, to go on with pre-training",
        {
            "id": "of the passage",
            "text": "what is learnt",
            "problems": "that it is about: `task`, and `place`, where the problem comes from",
            "citations": _CITED,
        },
    ),
    "messages.jsonl": Schema(
        "default",
        "train",
        "messages with their classes, written by people and by a model",
        {
            "text": "the message",
            "label": "its class",
            "synthetic": "whether a model wrote it",
            "split": "of one that people wrote: train or validation",
            "place": "of one that people wrote: where it stands",
            "date": "of one that people wrote; empty where it is not known",
            "example_ids": "of a synthetic one: the messages that its author was shown",
            "round": "of a synthetic one: which request for more it answered",
            "number": "of a synthetic one: its place in the reply",
            "call_id": "of a synthetic one: the call of the model",
            "id": "of the message",
        },
    ),
    "held-out.jsonl": Schema(
        "exam",
        "test",
        "the exam. **Never train on it**",
        {
            "exam": "which exam it is of",
            "kind": "of question, or the task",
            "prompt": "messages before the answer",
            "gold": "the right answer: `text`, its `result`, the `form` of the result, a `rubric` "
            "and the `quotes` that decide it",
            "point_id": "what the documents say that it asks about",
            "passage_ids": "passages that it rests on",
            "call_ids": "calls of models that wrote it",
            "id": "of the question",
        },
    ),
    "rejected.jsonl": Schema(
        "rejected",
        "train",
        "what was made and not used, with the reasons",
        _REFUSED
        | {
            "reason": "code and detail in a sentence",
            "problems": "problems that it was about: `task`, `place`, `answer`",
            "left_out": "what was left out, where it is no reply",
            "round": "in which it was asked",
            "examination_id": "the examination that gave nothing",
        },
    ),
    "left-out.jsonl": Schema(
        "rejected",
        "train",
        "messages that were left out, with the reasons",
        {
            "message_id": "of the message",
            "reason": "why it was left out",
            "detail": "more on the reason",
            "near_id": "the message that it is too near to",
            "similarity": "the cosine of the two",
            "message": "the message, as in `messages.jsonl`",
        },
    ),
}
