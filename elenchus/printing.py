"""Texts of documents, models and file names on a terminal."""

# What moves the cursor, rings the bell or sets the title: all controls but line ends and tabs.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "�")
_SHOWN = {n: to for n, to in _CONTROLS.items() if chr(n) not in "\n\t"}


def printable(text: str) -> str:
    """A text that a terminal shows and never obeys."""
    return text.translate(_SHOWN)
