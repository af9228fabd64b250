"""Puts the frames together into the text of one question.

A scene frame, an "at the time" frame and an ask frame of one style are drawn at random and joined
in one of several ways. The joins are common to all styles; the frames never are.
"""

import random
import re
from collections.abc import Callable
from functools import cache
from typing import Literal

from offline.language import frames_asks as asks
from offline.language import frames_scenes as scenes
from offline.language import stock
from offline.language.frames_wide import WIDE

Style = Literal["training", "exam", "novel", "wide"]
_Fill = Callable[[str], str]

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_IRREGULAR = {"people": "person", "feet": "foot", "boxes": "box", "dishes": "dish"}

WHO = tuple(name.strip() for name in scenes.WHO.replace("\n", "").split("|"))


@cache
def frames(block: str) -> tuple[str, ...]:
    """The frames of a block, one a line."""
    return tuple(line.strip() for line in block.strip().splitlines())


def one_unit(unit: str) -> str:
    """The singular of a plural unit."""
    if unit in _IRREGULAR:
        return _IRREGULAR[unit]
    if unit.endswith(("ches", "sses", "xes")):
        return unit[:-2]
    return unit[:-1] if unit.endswith("s") else unit


def render(
    scene: str, asked: str, stated: bool, slots: dict[str, str], style: Style, rng: random.Random
) -> str:
    """The question's text.

    Args:
        scene: "deadline", "quantity" or "act".
        asked: what is asked for, as in `Case.asked`.
        stated: whether an exception is said to hold.
    """
    slots = slots | {"who": rng.choice(WHO)}

    def fill(block: str) -> str:
        frame = _choose(rng.choice(frames(block)), rng)
        return _fill(_disturb(frame, rng) if style == "wide" else frame, slots)

    text = _body(scene, asked, stated, style, rng, fill)
    if rng.random() < 0.12:
        text = f"{fill(scenes.OPENERS)} {text}"
    return _tidy(text)


def _body(
    scene: str, asked: str, stated: bool, style: Style, rng: random.Random, fill: _Fill
) -> str:
    alone = {
        "exception": asks.EXCEPTION,
        "grade": asks.GRADE,
        "meaning": asks.MEANING,
        "limit": asks.LIMIT[scene],
    }
    if asked in alone:
        name = f"limit_{scene}" if asked == "limit" else asked
        return fill(_block(alone[asked], name, style, rng))
    held = fill(_block(scenes.HELD, "held", style, rng)) if stated else ""
    if asked == "verdict" and rng.random() < 0.15:
        return _sentences(held, fill(_block(scenes.DIRECT[scene], f"direct_{scene}", style, rng)))
    requests = {"verdict": asks.VERDICT, "fine": asks.FINE, "change": asks.CHANGE}[asked]
    what = fill(_block(scenes.SCENES[scene], scene, style, rng))
    return _join(what, held, fill(_block(requests, asked, style, rng)), rng, fill)


def _block(blocks: dict[str, str], name: str, style: Style, rng: random.Random) -> str:
    """The frames of a style; "wide" draws on its own and on those of training and exam."""
    if style != "wide":
        return blocks[style]
    return rng.choice((WIDE[name], blocks["training"], blocks["exam"]))


def _join(what: str, held: str, request: str, rng: random.Random, fill: _Fill) -> str:
    """Scene, circumstance and request, in one of several orders."""
    aside = fill(scenes.ASIDES) if rng.random() < 0.1 else ""
    way = rng.random()
    if way < 0.1:
        lead = rng.choice(("Suppose", "Say", "Let us say", "Assume", "Imagine"))
        what = f"{lead} {what}"
    if held and way > 0.85:
        return _sentences(f"{what}, and {held}", aside, request)
    if held and way > 0.6:
        return _sentences(held, what, aside, request)
    if not held and way > 0.9:
        return _sentences(aside, request.rstrip("?.") + f": {what}?")
    return _sentences(what, aside, held, request)


def _sentences(*parts: str) -> str:
    return " ".join(p if p.endswith((".", "?", ":")) else f"{p}." for p in parts if p)


def _choose(frame: str, rng: random.Random) -> str:
    return _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), frame)


def _fill(frame: str, slots: dict[str, str]) -> str:
    return _SLOT.sub(lambda match: slots[match[1]], frame)


def pattern(frame: str, slot: str) -> str:
    """A regular expression for the texts of a frame; the slot is a group of its name.

    Slots match anything within a sentence.
    """
    text = re.escape(frame.strip()).replace(r"\ ", " ")
    text = re.sub(r"\\\[(.*?)\\\]", lambda m: f"(?:{m[1].replace(chr(92) + '|', '|')})", text)
    text = text.replace(rf"\{{{slot}\}}", rf"(?P<{slot}>[^.?]+)")
    return re.sub(r"\\\{\w+\\\}", "[^.?]+?", text)


def _disturb(frame: str, rng: random.Random) -> str:
    """The frame with a few words, none of its slots, dropped, exchanged or put in."""
    if rng.random() < 0.5:
        return frame
    words: list[str] = []
    for word in frame.split():
        way = rng.random()
        if "{" in word or way > 0.12:
            words.append(word)
        elif way > 0.04:
            words.append(stock.word(stock.THINGS + stock.MODIFIERS, rng, 0.5))
        if rng.random() < 0.05:
            words.append(stock.word(stock.PAPERS + stock.PERSONS, rng, 0.5))
    return " ".join(words)


def _tidy(text: str) -> str:
    """One space between words, and a capital at the start of each sentence."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"(^|[.?] )([a-z])", lambda match: match[1] + match[2].upper(), text)
