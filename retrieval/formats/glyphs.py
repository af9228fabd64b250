"""Words of a PDF's page with their places, and the lines drawn between them, as pdfium finds them.

Places are turned so that the text runs along x: a page on its side is read like any other.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from retrieval.formats.failures import package

MOST_SHAPES = 5_000  # of a page, looked at for lines of tables: a map has a million
HYPHENS = "-\u2010\u00ad"
_HYPHEN = dict.fromkeys((0x02, 0xFFFE), "-")  # pdfium's, where a line's end divides a word
# Ligatures and forms of letters that fonts have, for the letters themselves.
_FORMS = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
# Letters and forms that stand at the end of a word alone, in Arabic and in Hebrew.
_FINAL = "ةىךםןףץ"
_LEFT_TO_RIGHT = re.compile(r"[^\W\u0590-\u08ff]+(?:[.,:/%-]*[^\W\u0590-\u08ff]+)*%?")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_THIN = 3  # points: a shape as low as that is a line
_SHORTEST = 20  # points: what is shorter divides no rows
Box = tuple[float, float, float, float]  # left, right, bottom, top, in points


class Word(NamedTuple):
    """A word and the box around it, in points, y upwards.

    `run` and `place` count the lines of pdfium and its words: it has the words of a line in the
    order in which they are read, whatever the script.
    """

    text: str
    left: float
    right: float
    bottom: float
    top: float
    run: int
    place: int

    @property
    def height(self) -> float:
        return self.top - self.bottom

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


class Rule(NamedTuple):
    """A horizontal line that is drawn on a page."""

    left: float
    right: float
    y: float


class Sheet(NamedTuple):
    """The words of a page that run in one direction, and the rules between them."""

    words: list[Word]
    rules: list[Rule]


def sheets(page: Any) -> list[Sheet]:
    """Return what stands on a page, the direction that most of its words have first.

    Raises:
        pypdfium2.PdfiumError: the page's text cannot be loaded.
    """
    by_angle: dict[int, list[Word]] = {}
    for angle, word in _words(page):
        by_angle.setdefault(angle, []).append(word)
    turned = sorted(by_angle.items(), key=lambda pair: -len(pair[1]))
    rules = _rules(page) if turned and turned[0][0] == 0 else []
    return [Sheet(words, rules if place == 0 else []) for place, (_, words) in enumerate(turned)]


def is_below(word: Word, above: Word) -> bool:
    """Tell whether a letter stands below another, as Japanese and Chinese may be set."""
    beside = abs(word.left - above.left) < above.height / 3 and word.bottom < above.bottom
    return beside and len(word.text) == len(above.text) == 1


def has_right_to_left(text: str) -> bool:
    """Tell whether there are letters in a text that are read from right to left."""
    return bool(_RIGHT_TO_LEFT.search(text))


def is_right_to_left(text: str) -> bool:
    """Tell whether most letters of a text are of a script that is read from right to left."""
    letters = sum(map(str.isalpha, text))
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > letters > 0


def is_backwards(text: str) -> bool:
    """Tell whether words begin with letters that only end one: the letters were drawn mirrored."""
    words = [word for word in re.findall(r"\w+", text) if _RIGHT_TO_LEFT.match(word)]
    begin = sum(word[0] in _FINAL for word in words if len(word) > 1)
    return begin > sum(word[-1] in _FINAL for word in words if len(word) > 1)


def forwards(line: str) -> str:
    """Return a line whose letters are in the order that the eye meets them, as it is read."""
    if not _RIGHT_TO_LEFT.search(line):
        return line
    turned = line[::-1].translate(_MIRRORED)
    return _LEFT_TO_RIGHT.sub(lambda found: found[0][::-1], turned)


def _words(page: Any) -> Iterator[tuple[int, Word]]:
    """Yield each word on a page, and the angle it is turned by, in whole degrees."""
    raw = package("pypdfium2.raw")
    text, edges = page.get_textpage(), page.get_bbox()
    held: list[Box] = []  # of the letters of a word, turned
    word, run, start, angle = "", 0, 0, 0
    for place in range(text.count_chars() + 1):
        code = raw.FPDFText_GetUnicode(text.raw, place)  # 0 at the end
        letter, box = chr(code), None
        if code and not letter.isspace():
            box = _box(raw, text.raw, place)
        if held and not (box and _is_beside(held[-1], _turned(box, angle))):
            yield angle, _word(word, held, run, start)
            word, held = "", []
        run += letter in "\r\n"
        if box and (held or _is_within(box, edges)):
            if not held:
                start = place
                angle = round(-math.degrees(raw.FPDFText_GetCharAngle(text.raw, place))) % 360
            word += letter
            held.append(_turned(box, angle))


def _word(text: str, letters: Sequence[Box], run: int, place: int) -> Word:
    left, right, bottom, top = zip(*letters, strict=True)
    plain = _FORMS.sub(lambda form: unicodedata.normalize("NFKC", form[0]), text.translate(_HYPHEN))
    return Word(plain, min(left), max(right), min(bottom), max(top), run, place)


def _box(raw: Any, text: Any, place: int) -> Box:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(text, place, box)
    return box.left, box.right, box.bottom, box.top


def _is_beside(one: Box, other: Box) -> bool:
    """Tell whether two letters stand on one line, without room for a column between them."""
    height, other_height = one[3] - one[2], other[3] - other[2]
    shared = min(one[3], other[3]) - max(one[2], other[2])
    apart = max(other[0] - one[1], one[0] - other[1])
    return shared > min(height, other_height) / 3 and apart < max(height, other_height)


def _is_within(box: Box, edges: Sequence[float]) -> bool:
    x, y = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    return edges[0] <= x <= edges[2] and edges[1] <= y <= edges[3]


def _turned(box: Box, angle: int) -> Box:
    """Turn a box about the origin by an angle backwards, so that its text runs along x."""
    if angle == 0:
        return box
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = [(x, y) for x in box[:2] for y in box[2:]]
    xs = [x * cosine + y * sine for x, y in corners]
    ys = [y * cosine - x * sine for x, y in corners]
    return min(xs), max(xs), min(ys), max(ys)


def _rules(page: Any) -> list[Rule]:
    """Return the horizontal lines on a page; those of neighbouring cells are one."""
    raw = package("pypdfium2.raw")
    drawn = []
    for shape in islice(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH]), MOST_SHAPES):
        left, bottom, right, top = shape.get_bounds()
        if right - left >= _SHORTEST:
            drawn += [
                Rule(left, right, y) for y in {bottom, top if top - bottom > _THIN else bottom}
            ]
    joined: list[Rule] = []
    for rule in sorted(drawn, key=lambda one: (round(one.y), one.left)):
        last = joined[-1] if joined else None
        if last and abs(last.y - rule.y) <= _THIN / 2 and rule.left <= last.right + _THIN:
            joined[-1] = Rule(last.left, max(last.right, rule.right), last.y)
        else:
            joined.append(rule)
    return joined
