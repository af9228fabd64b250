"""Skills of the nano, measured on codes that it never saw: the figures of its model card."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from models.decoding import Wanted
from models.local import answered, prompt_of
from offline.language.questions import KINDS, Kind, scene_of, verdict
from offline.language.wording import Style
from offline.nano import codes
from offline.nano.chat import sentence_case
from offline.nano.codes import Exchange

Answerer = Callable[[list[list[codes.Message]]], list[str]]
_LONGEST = 96  # tokens of an answer
_TESTED: tuple[Style, ...] = ("exam", "novel")


def answerer(model: Any, tokenizer: Any) -> Answerer:
    """Return a function that answers chats with the likeliest answers of a model."""

    def answers(chats: list[list[codes.Message]]) -> list[str]:
        wanted = [Wanted(prompt_of(tokenizer, chat), _LONGEST) for chat in chats]
        return [sentence_case(text) for text, _ in answered(model, tokenizer, wanted)]

    return answers


def accuracy(exchanges: list[Exchange], answers: Answerer) -> float:
    """Return the share of right verdicts."""
    texts = answers([messages for messages, _ in exchanges])
    pairs = zip(exchanges, texts, strict=True)
    return sum(verdict(gold) == verdict(text) for (_, gold), text in pairs) / len(exchanges)


def open_book(n: int, clauses: int, style: Style, kind: Kind | None, seed: int) -> list[Exchange]:
    """Draw questions on one of so many clauses of codes never seen."""
    rng = random.Random(f"skills {seed} {clauses} {style} {kind}")
    return [codes.open_exchange(rng, style, clauses, kind)[0] for _ in range(n)]


def known(n: int, style: Style, seed: int) -> list[Exchange]:
    """Draw closed-book questions on the known codes."""
    rng = random.Random(f"known {seed} {style}")
    streams = [codes.questions(code, style, rng) for code in codes.known_codes()]
    return [codes.closed_exchange(streams[i % len(streams)]) for i in range(n)]


def quick(answers: Answerer) -> dict[str, float]:
    """Measure a row of the learning curve, on small samples."""
    row = {"one": accuracy(open_book(60, 1, "exam", None, 1), answers)}
    three = {kind: accuracy(open_book(40, 3, "exam", kind, 1), answers) for kind in KINDS}
    row["three"] = sum(three.values()) / len(three)
    row |= {f"three_{kind}": value for kind, value in three.items()}
    row["three_novel"] = accuracy(open_book(100, 3, "novel", None, 1), answers)
    row["known"] = accuracy(known(100, "exam", 1), answers)
    return {name: round(value, 3) for name, value in row.items()}


def measure(answers: Answerer, per_kind: int, seed: int = 2) -> dict[str, dict[str, float]]:
    """Measure the accuracy of every skill, by kind of question."""
    result: dict[str, dict[str, float]] = {}
    for clauses, name in ((1, "right clause alone"), (3, "one clause of three")):
        for style in _TESTED:
            result[f"{name}, {style} forms"] = {
                kind: accuracy(open_book(per_kind, clauses, style, kind, seed), answers)
                for kind in KINDS
            }
    for style in _TESTED:
        result[f"known codes, {style} forms"] = {"all": accuracy(known(500, style, seed), answers)}
    return result | closed_book(answers, per_kind, seed)


def closed_book(answers: Answerer, per_kind: int, seed: int) -> dict[str, dict[str, float]]:
    """Measure the accuracy on unseen codes without the passage, and of the best constant guess.

    The guess knows what the question gives away by itself: the kind, what is asked, and whether
    the scene is a deadline, a quantity or an act.
    """
    rng = random.Random(f"closed {seed}")
    hits: dict[str, float] = {}
    guesses: dict[str, float] = {}
    for kind in KINDS:
        exchanges: list[Exchange] = []
        verdicts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for _ in range(per_kind):
            (messages, gold), case = codes.open_exchange(rng, "exam", 3, kind)
            question = messages[0]["content"].rpartition("\n\n")[2]
            exchanges.append(([{"role": "user", "content": question}], gold))
            verdicts[case.asked, scene_of(case.rule)].append(verdict(gold))
        hits[kind] = accuracy(exchanges, answers)
        best = sum(max(map(alike.count, alike)) for alike in verdicts.values())
        guesses[kind] = best / per_kind
    return {"closed book, unseen codes": hits, "best guess there": guesses}


def shortfalls(measured: dict[str, dict[str, float]]) -> list[str]:
    """Return the targets that are not reached, a line each."""
    means = {name: sum(row.values()) / len(row) for name, row in measured.items()}
    three = measured["one clause of three, exam forms"]
    guess = means["best guess there"]
    checks = [
        ("right clause alone", means["right clause alone, exam forms"], 0.98),
        ("one clause of three", means["one clause of three, exam forms"], 0.92),
        ("one clause of three, weakest kind", min(three.values()), 0.85),
        ("closed book, negated", -means["closed book, unseen codes"], -guess - 0.03),
    ]
    for name in ("right clause alone", "one clause of three"):
        exam, novel = (means[f"{name}, {style} forms"] for style in _TESTED)
        checks.append((f"{name}, novel forms", novel, exam - 0.10))
    return [
        f"{name}: {value:.3f}, wanted {target:.3f}"
        for name, value, target in checks
        if value < target
    ]


def table(measured: dict[str, dict[str, float]]) -> str:
    """Return the skills as a Markdown table."""
    lines = ["| skill | all | " + " | ".join(KINDS) + " |", "|---|" + "---|" * (len(KINDS) + 1)]
    for name, row in measured.items():
        mean = sum(row.values()) / len(row)
        cells = [f"{100 * row[kind]:.1f}" if kind in row else "" for kind in KINDS]
        lines.append(f"| {name} | {100 * mean:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
