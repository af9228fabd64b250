"""Puts frames together into the text of one question.

A frame for the scene, one for what held at the time and one for the request are drawn from the
frames of one style and joined in one of several ways. The joins are common to all styles; the
frames never are.
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

Style = Literal["training", "exam", "novel", "wide", "varied"]
_Fill = Callable[[str], str]

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_IRREGULAR = {"people": "person", "feet": "foot", "boxes": "box", "dishes": "dish"}

WHO = tuple(name.strip() for name in scenes.WHO.replace("\n", "").split("|"))


@cache
def frames(block: str) -> tuple[str, ...]:
    """Return the frames of a block, one a line."""
    return tuple(line.strip() for line in block.strip().splitlines())


def one_unit(unit: str) -> str:
    """Return the singular of a plural unit."""
    if unit in _IRREGULAR:
        return _IRREGULAR[unit]
    if unit.endswith(("ches", "sses", "xes")):
        return unit[:-2]
    return unit[:-1] if unit.endswith("s") else unit


def render(
    scene: str, asked: str, stated: bool, slots: dict[str, str], style: Style, rng: random.Random
) -> str:
    """Return the text of a question.

    Args:
        scene: "deadline", "quantity" or "act".
        asked: what is asked for, as in `Case.asked`.
        stated: whether an exception is said to hold.
        slots: what the frames' slots stand for, all but the person.
    """
    slots = slots | {"who": rng.choice(WHO)}

    def fill(block: str) -> str:
        frame = choose(rng.choice(frames(block)), rng)
        return fill_slots(_disturb(frame, rng) if style == "wide" else frame, slots)

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
    circumstance = fill(_block(scenes.HELD, "held", style, rng)) if stated else ""
    if asked == "verdict" and rng.random() < 0.15:
        direct = fill(_block(scenes.DIRECT[scene], f"direct_{scene}", style, rng))
        return _sentences(circumstance, direct)
    requests = {"verdict": asks.VERDICT, "fine": asks.FINE, "change": asks.CHANGE}[asked]
    event = fill(_block(scenes.SCENES[scene], scene, style, rng))
    return _join(event, circumstance, fill(_block(requests, asked, style, rng)), rng, fill)


def _block(blocks: dict[str, str], name: str, style: Style, rng: random.Random) -> str:
    """Return a block of frames of a style.

    "varied" draws on those of training and on further ones, "wide" on all but the novel ones.
    """
    if style == "varied":
        return rng.choice((WIDE[name], blocks["training"]))
    if style != "wide":
        return blocks[style]
    return rng.choice((WIDE[name], blocks["training"], blocks["exam"]))


def _join(event: str, circumstance: str, request: str, rng: random.Random, fill: _Fill) -> str:
    """Join scene, circumstance and request in one of several orders."""
    aside = fill(scenes.ASIDES) if rng.random() < 0.1 else ""
    way = rng.random()
    if way < 0.1:
        lead = rng.choice(("Suppose", "Say", "Let us say", "Assume", "Imagine"))
        event = f"{lead} {event}"
    if circumstance and way > 0.85:
        return _sentences(f"{event}, and {circumstance}", aside, request)
    if circumstance and way > 0.6:
        return _sentences(circumstance, event, aside, request)
    if not circumstance and way > 0.9:
        return _sentences(aside, request.rstrip("?.") + f": {event}?")
    return _sentences(event, aside, circumstance, request)


def _sentences(*parts: str) -> str:
    return " ".join(p if p.endswith((".", "?", ":")) else f"{p}." for p in parts if p)


def choose(frame: str, rng: random.Random) -> str:
    """Make the choices of a frame: of `[a|b]`, one."""
    return _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), frame)


def fill_slots(frame: str, slots: dict[str, str]) -> str:
    """Fill the slots of a frame."""
    return _SLOT.sub(lambda match: slots[match[1]], frame)


def pattern(frame: str, slot: str) -> str:
    """Return a regular expression for the texts of a frame, with the slot as a group of its name.

    Other slots match anything within a sentence.
    """
    text = re.escape(frame.strip()).replace(r"\ ", " ")
    text = re.sub(r"\\\[(.*?)\\\]", lambda m: f"(?:{m[1].replace(chr(92) + '|', '|')})", text)
    text = text.replace(rf"\{{{slot}\}}", rf"(?P<{slot}>[^.?]+)")
    return re.sub(r"\\\{\w+\\\}", "[^.?]+?", text)


def _disturb(frame: str, rng: random.Random) -> str:
    """Return the frame with a few words, none of its slots, dropped, exchanged or put in."""
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
    """Leave one space between words, and put a capital at the start of each sentence."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"(^|[.?] )([a-z])", lambda match: match[1] + match[2].upper(), text)
