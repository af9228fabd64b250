r"""Restores backslashes that a model left bare: to JSON, `\frac` is a form feed and "rac".

JSON reads `\b`, `\f`, `\n`, `\r` and `\t` as control characters. No text holds a backspace, nor a
form feed before a letter, so these were commands of LaTeX, or of an expression. Line breaks and
tabs are the text's own, but where what follows them is the rest of a command and nothing else:
`\nu` may be a line that begins with "u", and is left as it is.
"""

import re
from typing import Any

_LOST = re.compile(
    r"(?P<b>\x08)|(?P<f>\x0c(?=[A-Za-z]))"
    # The rests of commands that are no words, with all that must follow.
    r"|(?P<t>\t(?=(?:ext(?:bf|it|rm|tt)?|ilde|frac)\{|(?:imes|heta|riangle|herefore)(?![a-z])))"
    r"|(?P<n>\n(?=(?:eq(?!\.)|abla|otin|subseteq)(?![a-z])))"
    r"|(?P<r>\r(?=(?:ho|ight(?:arrow)?|angle|ceil|floor|brace|vert)(?![a-z])))"
)
# Escapes of JSON, and those of JSON5 and Python.
_ESCAPE = re.compile(
    r"\\(?:(?P<known>[\"\\/bfnrt'\d\s]|u[\da-fA-F]{4}|x[\da-fA-F]{2}|v(?![a-z]))|.)", re.DOTALL
)


def restored(value: Any) -> Any:
    """Return a copy of a value of JSON with the backslashes that its texts have lost."""
    if isinstance(value, str):
        return _LOST.sub(lambda lost: f"\\{lost.lastgroup}", value)
    if isinstance(value, list):
        return [restored(inner) for inner in value]
    if isinstance(value, dict):
        return {key: restored(inner) for key, inner in value.items()}
    return value


def escaped(spelling: str) -> str:
    r"""Return the spelling of a text with its bare backslashes escaped: those of `\alpha`, `\(`."""
    return _ESCAPE.sub(lambda e: e[0] if e["known"] else f"\\{e[0]}", spelling)
