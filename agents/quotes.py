"""Finds what a model quotes in a text, although it typed some characters otherwise.

Models write plain quotation marks, hyphens and letters where a document has typographic ones, and
leave the marks of Markdown out. Both sides are brought to one form; words stay as they are, so a
paraphrase is found nowhere.
"""

import functools
import re
import unicodedata

from agents.prompting import flat

_LINK = re.compile(r"\]\([^()\s]*\)")  # the address of a link in Markdown
_MARKS = dict.fromkeys("*_`\\[]", "")
_TYPED = str.maketrans(
    {**dict.fromkeys("‘’‚‛′´", "'"), **dict.fromkeys("“”„‟″«»‹›〝〞", '"'),
     **dict.fromkeys("‐‑‒–—―−﹣－", "-"), **_MARKS}
)  # fmt: skip


def quoted(quote: str, text: str) -> str | None:
    """Return the part of a text that a quote is, exactly as it stands there; None where it is not.

    White space may differ. What has neither letters nor figures quotes nothing.
    """
    if not any(map(str.isalnum, quote)):
        return None
    if flat(quote) in flat(text):
        return quote
    wanted, _ = _plain(quote)
    wanted = wanted.strip()
    written, places = _plain(text)
    start = written.find(wanted)
    return (
        None
        if not wanted or start < 0
        else text[places[start] : places[start + len(wanted) - 1] + 1]
    )


@functools.lru_cache(maxsize=256)
def _plain(text: str) -> tuple[str, tuple[int, ...]]:
    """Return a text in plain characters, and the place in it that each of them comes from."""
    addresses = {place for link in _LINK.finditer(text) for place in range(*link.span())}
    letters: list[str] = []
    places: list[int] = []
    for place, letter in _composed(text):
        if place in addresses or unicodedata.category(letter[0]) == "Cf":  # nobody sees those
            continue
        for one in unicodedata.normalize("NFKC", letter.translate(_TYPED)).translate(_TYPED):
            one = " " if one.isspace() else one
            if one != " " or (letters and letters[-1] != " "):
                letters.append(one)
                places.append(place)
    return "".join(letters), tuple(places)


def _composed(text: str) -> list[tuple[int, str]]:
    """Return each letter with the marks that combine with it, and where it stands."""
    parts: list[tuple[int, str]] = []
    for place, letter in enumerate(text):
        if parts and unicodedata.combining(letter):
            start, before = parts[-1]
            parts[-1] = start, before + letter
        else:
            parts.append((place, letter))
    return parts
