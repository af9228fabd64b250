"""What the nano can do, on codes it never saw: the figures that its model card states."""

import random
from collections.abc import Callable
from typing import Any

from offline.language.questions import KINDS, Case, Kind, verdict
from offline.language.wording import Style
from offline.nano import codes
from offline.nano.codes import Exchange
from offline.nano.generate import Decoder, decode

Answerer = Callable[[list[list[codes.Message]]], list[str]]
_BATCH = 64
_TESTED: tuple[Style, ...] = ("exam", "novel")


def answerer(model: Any, tokenizer: Any) -> Answerer:
    """Greedy answers of a model, in batches of like length."""
    decoder = Decoder(model)

    def answers(chats: list[list[codes.Message]]) -> list[str]:
        texts = tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
        prompts = tokenizer(texts, add_special_tokens=False).input_ids
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found = [""] * len(prompts)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            made = decode(
                decoder,
                [prompts[i] for i in rows],
                limits=[96] * len(rows),
                temperatures=[0.0] * len(rows),
                seeds=[0] * len(rows),
                pad=tokenizer.pad_token_id,
                end=tokenizer.eos_token_id,
            )
            for i, text in zip(rows, tokenizer.batch_decode(made), strict=True):
                found[i] = text
        return found

    return answers


def accuracy(exchanges: list[Exchange], answers: Answerer) -> float:
    """Share of right verdicts."""
    made = answers([messages for messages, _ in exchanges])
    pairs = zip(exchanges, made, strict=True)
    return sum(verdict(gold) == verdict(text) for (_, gold), text in pairs) / len(exchanges)


def opened(n: int, clauses: int, style: Style, kind: Kind | None, seed: int) -> list[Exchange]:
    """Questions on one of so many clauses of codes never seen."""
    rng = random.Random(f"skills {seed} {clauses} {style} {kind}")
    return [codes.open_exchange(rng, style, clauses, kind)[0] for _ in range(n)]


def known(n: int, style: Style, seed: int) -> list[Exchange]:
    """Closed-book questions on the known codes."""
    rng = random.Random(f"known {seed} {style}")
    streams = [codes.questions(code, style, rng) for code in codes.known_codes()]
    return [codes.closed_exchange(streams[i % len(streams)]) for i in range(n)]


def quick(answers: Answerer) -> dict[str, float]:
    """A row of the learning curve."""
    row = {"one": accuracy(opened(60, 1, "exam", None, 1), answers)}
    three = {kind: accuracy(opened(40, 3, "exam", kind, 1), answers) for kind in KINDS}
    row["three"] = sum(three.values()) / len(three)
    row |= {f"three_{kind}": value for kind, value in three.items()}
    row["three_novel"] = accuracy(opened(100, 3, "novel", None, 1), answers)
    row["known"] = accuracy(known(100, "exam", 1), answers)
    return {name: round(value, 3) for name, value in row.items()}


def measure(answers: Answerer, per_kind: int, seed: int = 2) -> dict[str, dict[str, float]]:
    """Accuracy by kind for every skill."""
    result: dict[str, dict[str, float]] = {}
    for clauses, name in ((1, "right clause alone"), (3, "one clause of three")):
        for style in _TESTED:
            result[f"{name}, {style} forms"] = {
                kind: accuracy(opened(per_kind, clauses, style, kind, seed), answers)
                for kind in KINDS
            }
    for style in _TESTED:
        result[f"known codes, {style} forms"] = {"all": accuracy(known(500, style, seed), answers)}
    return result | closed_book(answers, per_kind, seed)


def closed_book(answers: Answerer, per_kind: int, seed: int) -> dict[str, dict[str, float]]:
    """Accuracy on unseen codes without the passage, beside the best constant guess.

    The guess knows what the question gives away by itself: the kind, what is asked, and whether
    the scene is a deadline, a quantity or an act.
    """
    rng = random.Random(f"closed {seed}")
    hits: dict[str, float] = {}
    guesses: dict[str, float] = {}
    for kind in KINDS:
        drawn = [codes.open_exchange(rng, "exam", 3, kind) for _ in range(per_kind)]
        exchanges: list[Exchange] = []
        cells: dict[tuple[str, str], list[str]] = {}
        for (messages, gold), case in drawn:
            question = messages[0]["content"].rpartition("\n\n")[2]
            exchanges.append(([{"role": "user", "content": question}], gold))
            cells.setdefault((case.asked, _scene(case)), []).append(verdict(gold))
        hits[kind] = accuracy(exchanges, answers)
        best = sum(max(map(cell.count, cell)) for cell in cells.values())
        guesses[kind] = best / len(drawn)
    return {"closed book, unseen codes": hits, "best guess there": guesses}


def _scene(case: Case) -> str:
    if case.rule.kind == "deadline":
        return "deadline"
    return "quantity" if case.rule.kind in ("maximum", "minimum") else "act"


def shortfalls(measured: dict[str, dict[str, float]]) -> list[str]:
    """The targets that are not reached, a line each."""
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
        f"{name}: {found:.3f}, wanted {wanted:.3f}"
        for name, found, wanted in checks
        if found < wanted
    ]


def table(measured: dict[str, dict[str, float]]) -> str:
    """The skills as a Markdown table."""
    lines = ["| skill | all | " + " | ".join(KINDS) + " |", "|---|" + "---|" * (len(KINDS) + 1)]
    for name, row in measured.items():
        mean = sum(row.values()) / len(row)
        cells = [f"{100 * row[kind]:.1f}" if kind in row else "" for kind in KINDS]
        lines.append(f"| {name} | {100 * mean:.1f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
