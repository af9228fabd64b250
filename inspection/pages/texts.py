"""Texts of documents and models as HTML: escaped, with controls made visible, long ones cut.

Whatever they hold stays text: markup, escape sequences, marks that turn the direction of writing.
Each function returns `Markup`, which templates take as it is.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup, escape

from elenchus.printing import printable

LONG = 2000  # characters, after which a text is cut
DIFFERED = 4000  # words of two texts together, over which no difference is computed
# Marks that change the order in which others are read, or that nobody sees: all are named.
_HIDDEN = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_ID = re.compile(r"\b[a-z]{1,3}-[0-9a-f]{16,24}\b")


class Span(NamedTuple):
    """A stretch of a text, and the ids that addresses jump to, with spaces between."""

    start: int
    end: int
    anchor: str = ""


def visible(text: str) -> str:
    """Return a text without controls, and with the name of each mark that is not seen."""
    text = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", printable(text))
    return _HIDDEN.sub(lambda mark: f"⟨U+{ord(mark[0]):04X}⟩", text)


def sendable(text: str) -> str:
    """Return a text as a form can send it back: without what no address holds."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def line(text: Any, length: int = 200) -> Markup:
    """Return a text in one line, the beginning of a long one."""
    shown = " ".join(visible(str(text)[: 4 * length]).split())
    return escape(shown if len(shown) <= length else shown[: length - 1] + "…")


def prose(text: str, root: str = "") -> Markup:
    """Return a text with its line ends; of a long one the rest is behind "show all".

    Args:
        root: the address of a run, to which ids in the text are linked; "" for no links.
    """
    show = _linked(root) if root else lambda part: escape(visible(part))
    if len(text) <= LONG:
        return show(text)
    return _cut(show(text[:LONG]), show(text[LONG:]), len(text))


def marked(text: str, spans: Iterable[Span]) -> Markup:
    """Return a text with stretches of it marked; those that overlap are marked as one.

    It is cut only behind the last mark.
    """
    parts, last = [Markup("")], 0
    for span in merged(spans, len(text)):
        first, *others = span.anchor.split() or [""]
        anchor = Markup(' id="{}"').format(first) if first else Markup("")
        held = escape(visible(text[span.start : span.end]))
        parts.append(escape(visible(text[last : span.start])))
        parts += [Markup('<a id="{}"></a>').format(other) for other in others]
        parts.append(_tag("mark", held, anchor))
        last = span.end
    if len(text) - last <= LONG:
        return Markup("").join([*parts, escape(visible(text[last:]))])
    upto = last + LONG
    beginning = Markup("").join([*parts, escape(visible(text[last:upto]))])
    return _cut(beginning, escape(visible(text[upto:])), len(text))


def merged(spans: Iterable[Span], length: int) -> list[Span]:
    """Return stretches in order, none of them empty and none overlapping another."""
    kept: list[Span] = []
    for start, end, anchor in sorted(spans):
        start, end = max(0, start), min(length, end)
        if start >= end:
            continue
        if kept and start < kept[-1].end:
            anchors = f"{kept[-1].anchor} {anchor}".strip()
            kept[-1] = kept[-1]._replace(end=max(end, kept[-1].end), anchor=anchors)
        else:
            kept.append(Span(start, end, anchor))
    return kept


def found(text: str, words: Sequence[str]) -> list[Span]:
    """Return where words that were searched for begin a word of a text."""
    if not words:
        return []
    either = "|".join(re.escape(word) for word in words)
    matches = re.finditer(rf"\b(?:{either})\w*", text, re.IGNORECASE)
    return [Span(match.start(), match.end()) for match in matches]


def difference(before: str, after: str) -> Markup:
    """Return the later of two texts, with words that went and that came marked as such."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > DIFFERED:  # it would take seconds
        return prose(after)
    parts = [Markup("")]
    for gone, come in _changes(old, new):
        if gone == come:
            parts.append(escape(visible(come)))
            continue
        if gone:
            parts.append(_tag("del", escape(visible(gone))))
        if come:
            parts.append(_tag("ins", escape(visible(come))))
    return Markup("").join(parts)


def _changes(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, str]]:
    """Return the stretches of two texts in turn: alike in both, or one for the other.

    What is alike between two changes but holds no word is taken for a part of the change.
    """
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    stretches: list[tuple[str, str]] = []
    for change, i, j, k, m in matcher.get_opcodes():
        gone, come = "".join(old[i:j]), "".join(new[k:m])
        last = stretches[-1] if stretches else ("", "")
        if change != "equal" and last[0] != last[1]:
            stretches[-1] = (last[0] + gone, last[1] + come)
        elif change == "equal" and last[0] != last[1] and not re.search(r"\w", come):
            # Put back below, where no further change follows.
            stretches[-1] = (last[0] + gone, last[1] + come)
        else:
            stretches.append((gone, come))
    return [part for stretch in stretches for part in _without_end(*stretch)]


def _without_end(gone: str, come: str) -> list[tuple[str, str]]:
    """Return a change and what both of its texts end in, which holds no word."""
    if gone == come:
        return [(gone, come)]
    length = 0
    for one, other in zip(reversed(gone), reversed(come), strict=False):
        if one != other or one.isalnum() or one == "_":
            break
        length += 1
    end = gone[len(gone) - length :]
    change = (gone[: len(gone) - length], come[: len(come) - length])
    return [change, (end, end)] if end else [change]


def record_address(root: str, record_id: str) -> str:
    """Return the address of the page of whatever has an id."""
    return f"{root}/record/{quote(record_id, safe='')}"


def _linked(root: str) -> Any:
    """Return what shows a text with links at its ids."""

    def show(text: str) -> Markup:
        parts, last = [Markup("")], 0
        for match in _ID.finditer(text):
            parts.append(escape(visible(text[last : match.start()])))
            link = Markup('<a href="{}">{}</a>')
            parts.append(link.format(record_address(root, match[0]), match[0]))
            last = match.end()
        return Markup("").join([*parts, escape(visible(text[last:]))])

    return show


def _tag(name: str, content: Markup, attributes: Markup | None = None) -> Markup:
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), attributes or Markup(""), content)


def _cut(beginning: Markup, rest: Markup, length: int) -> Markup:
    summary = f"show all {length:,} characters"
    return Markup('{}<details class="rest"><summary>{}</summary>{}</details>').format(
        beginning, summary, rest
    )
