"""The order in which a PDF's page is read: columns, tables, words that lines divide, scripts."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import fpdf
import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.formats import layout, read
from retrieval.formats.glyphs import Rule, Sheet, Word

MB = 1_000_000
TUG = (
    "The master of a tug must carry four lines and a spare anchor at all times, and the mate must "
    "enter the state of each line in the deck log before the vessel leaves its berth."
)
BARGE = (
    "A barge without an engine must be towed by day only, with two lines on the bow, and its owner "
    "must tell the harbour office at least six hours before it is moved."
)
PILOT = (
    "A pilot who boards by night must wear a lamp and a vest, and the launch must stay near the "
    "ladder until the pilot has reached the deck of the vessel."
)
FEES = [
    ("Class", "Length", "Lines", "Fee"),
    ("Tug", "under 20 m", "4", "12 crowns"),
    ("Barge", "20 to 40 m", "6", "30 crowns"),
    ("Tanker", "over 40 m", "8", "95 crowns"),
    ("Ferry", "over 60 m", "10", "140 crowns"),
]
NAMES = [word.strip(".,") for text in (TUG, BARGE, PILOT) for word in text.lower().split()]


class Paper(fpdf.FPDF):
    """A page on which lines are drawn one by one, wherever they stand."""

    def __init__(self) -> None:
        super().__init__(unit="pt", format="A4")
        self.set_auto_page_break(False)
        self.add_page()
        self.set_font("times", size=10)
        self.y = 60

    def lines(self, text: str, width: float) -> list[str]:
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.get_string_width(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def across(self, *texts: str, width: float = 483, gap: float = 30) -> None:
        """Draw columns line by line across the page, as some programs do: the worst of cases."""
        columns = [
            self.lines(text, (width - gap * (len(texts) - 1)) / len(texts)) for text in texts
        ]
        step = (width + gap) / len(texts)
        for n in range(max(map(len, columns))):
            for place, column in enumerate(columns):
                if n < len(column):
                    self.text(56 + place * step, self.y, column[n])
            self.y += 12
        self.y += 14

    def rows(self, rows: Sequence[Sequence[str]], widths: Sequence[float], gap: float = 2) -> None:
        for row in rows:
            cells = [self.lines(text, width - 12) for text, width in zip(row, widths, strict=True)]
            for n in range(max(map(len, cells))):
                left = 56.0
                for cell, width in zip(cells, widths, strict=True):
                    if n < len(cell):
                        self.text(left, self.y + 12 * n, cell[n])
                    left += width
            self.y += 12 * max(map(len, cells)) + gap
        self.y += 14

    def read(self) -> str:
        return " ".join(read("a.pdf", bytes(self.output()), MB).text.split())


def an_article(paper: Paper) -> list[str]:
    footnote = "1 These rules hold since the first of May, and replace those of the year before."
    paper.across("Rules for Tugs and Barges of the Inner Harbour")
    paper.across(f"Abstract. {TUG} {PILOT}")
    paper.across(" ".join([TUG] * 4), " ".join([BARGE] * 4))
    paper.across(footnote + " Of the older ones none is in force any longer, for tugs or barges.")
    return [
        f"Inner Harbour Abstract. {TUG} {PILOT} "
        f"{' '.join([TUG] * 4)} {' '.join([BARGE] * 4)} {footnote}"
    ]


def one_column(paper: Paper) -> list[str]:
    paper.across(" ".join([TUG, BARGE, PILOT]))
    return [" ".join([TUG, BARGE, PILOT])]


def three_columns(paper: Paper) -> list[str]:
    paper.across(*(" ".join([text] * 4) for text in (TUG, PILOT, BARGE)), gap=15)
    return [" ".join([TUG] * 4 + [PILOT] * 4 + [BARGE] * 4)]


def paragraphs(paper: Paper) -> list[str]:
    """Paragraphs of both columns happen to begin and end side by side."""
    ferry = TUG.replace("tug", "cog")
    for _ in range(3):
        paper.across(TUG, ferry)
    return [" ".join([TUG] * 3 + [ferry] * 3)]


def headings(paper: Paper) -> list[str]:
    top = paper.y
    for left, name, texts in ((56, "Tugs", (TUG, PILOT)), (310, "Barges", (BARGE, PILOT))):
        paper.y = top
        for number, text in enumerate(texts, 1):
            for line in (f"{number}. {name}", *paper.lines(text, 230)):
                paper.text(left, paper.y, line)
                paper.y += 12
            paper.y += 6
    return [f"1. Tugs {TUG} 2. Tugs {PILOT} 1. Barges {BARGE} 2. Barges {PILOT}"]


def a_table(paper: Paper) -> list[str]:
    paper.rows(FEES, [120] * 4)
    return [" ".join(" ".join(row) for row in FEES)]


def a_table_between_columns(paper: Paper) -> list[str]:
    """Its cells leave free the strip that is between the columns."""
    paper.across(" ".join([TUG] * 3), " ".join([BARGE] * 3))
    paper.rows([(row[0], row[3]) for row in FEES], [257, 200])
    paper.across(" ".join([PILOT] * 3), " ".join([TUG] * 3))
    return [
        " ".join([TUG] * 3 + [BARGE] * 3),
        *(f"{row[0]} {row[3]}" for row in FEES),
        " ".join([PILOT] * 3 + [TUG] * 3),
    ]


def a_table_in_a_column(paper: Paper) -> list[str]:
    top = paper.y
    for line in paper.lines(" ".join([BARGE] * 6), 225):
        paper.text(312, paper.y, line)
        paper.y += 12
    paper.y = top
    for line in paper.lines(TUG, 225):
        paper.text(56, paper.y, line)
        paper.y += 12
    paper.rows([(row[0], row[1], row[2]) for row in FEES], [75, 80, 60])
    return [TUG, *(" ".join(row[:3]) for row in FEES), " ".join([BARGE] * 6)]


def cells_of_several_lines(paper: Paper) -> list[str]:
    rows = [
        ("Tug or pusher of any length that works within the harbour", TUG, "12"),
        ("Barge without an engine of its own", BARGE, "30"),
        ("Pilot launch and its crew", PILOT, "9"),
    ]
    paper.rows(rows, [140, 280, 60], gap=0)
    return [" ".join(row) for row in rows]


def a_ruled_table(paper: Paper) -> list[str]:
    """Cells close together, and figures in the middle of their height."""
    rows = [("Class", "Duty", "Fee"), ("Tug", TUG, "12"), ("Barge", BARGE, "30")]
    paper.set_xy(57, 60)
    with paper.table(width=480, col_widths=(1, 2, 1)) as table:
        for row in rows:
            table.row(row)
    return [" ".join(row) for row in rows]


def accounts(paper: Paper) -> list[str]:
    """Figures that end, and do not begin, at one place."""
    rows = [("Income", "2025", "2024")]
    rows += [(f"Dues of class {n}", f"{n * 1234:,}", f"{n * 999:,}") for n in range(1, 12)]
    for row in rows:
        paper.text(57, paper.y, row[0])
        for right, figure in ((330, row[1]), (420, row[2])):
            paper.text(right - paper.get_string_width(figure), paper.y, figure)
        paper.y += 13
    return [" ".join(" ".join(row) for row in rows)]


def clauses(paper: Paper) -> list[str]:
    rows = [(f"{n}.", text) for n, text in enumerate((TUG, BARGE, PILOT), 1)]
    paper.rows(rows, [30, 440])
    return [" ".join(" ".join(row) for row in rows)]


@pytest.mark.parametrize(
    "draw",
    [
        one_column, an_article, three_columns, paragraphs, headings, a_table,
        a_table_between_columns, a_table_in_a_column, cells_of_several_lines, a_ruled_table,
        accounts, clauses,
    ],
)  # fmt: skip
def test_a_page_is_read_in_order(draw: Callable[[Paper], list[str]]) -> None:
    paper = Paper()
    expected = draw(paper)
    text = paper.read()
    assert [part for part in expected if part not in text] == []


def test_running_heads_of_pages_in_columns_are_none_of_the_text() -> None:
    paper, chance, expected = Paper(), random.Random(0), []
    for number in range(1, 5):
        if number > 1:
            paper.add_page()
        paper.text(56, 30, "Harbour Rules")
        paper.text(470, 30, "Second edition")
        paper.y = 70
        columns = [" ".join(chance.choices(NAMES, k=90)) for _ in range(2)]
        paper.across(*columns)
        paper.text(290, 800, str(number))
        expected += columns
    assert paper.read() == " ".join(expected)


def test_words_that_a_column_divides_are_whole() -> None:
    divided = (
        "The master of each of these ves- sels must be on deck, and the well- known pilots of "
        "the inner har- bour must be told. The well-known ones of UNES- CO need not."
    )
    paper = Paper()
    for number, line in enumerate(divided.replace("- ", "-\n").split("\n")):
        paper.text(56, 60 + 12 * number, line)
    assert paper.read() == (
        "The master of each of these vessels must be on deck, and the well-known pilots of the "
        "inner harbour must be told. The well-known ones of UNESCO need not."
    )


ARABIC = "يجب على السفينة مغادرة الميناء خلال 14 يوما"
HEBREW = "על רב החובל לעזוב את הנמל בתוך 14 ימים"


def shown(text: str) -> str:
    """Return the letters from the left on, as a page shows them."""
    return " ".join(word if word.isdigit() else word[::-1] for word in text.split()[::-1])


@pytest.mark.parametrize("text", [ARABIC, HEBREW])
@pytest.mark.parametrize("drawn", [shown, str], ids=["as it is shown", "mirrored"])
def test_scripts_from_right_to_left_are_in_the_order_of_reading(
    text: str, drawn: Callable[[str], str]
) -> None:
    paper = Paper()
    font = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    paper.add_font("DejaVu", fname=font)
    paper.set_font("DejaVu", size=12)
    for number in range(2):
        paper.text(56, 60 + 16 * number, drawn(text))
    assert paper.read() == f"{text} {text}"


def test_columns_from_right_to_left() -> None:
    words = {
        place: [
            Word(letter * 5, left + 40 * n, left + 40 * n + 37, 700 - 12 * row, 710 - 12 * row,
                 run=0, place=100 * row - n)
            for row in range(6) for n in range(5)
        ]
        for place, left, letter in (("first", 320, "א"), ("second", 50, "ב"))
    }  # fmt: skip
    lines = layout.lines(Sheet([*words["second"], *words["first"]], []))
    assert "".join(lines).replace(" ", "") == "א" * 150 + "ב" * 150


def test_letters_below_one_another_are_read_downwards() -> None:
    texts = ["船長は甲板にいる", "水先人を呼ぶこと"]
    words = [
        Word(letter, 300 - 20 * column, 312 - 20 * column, 700 - 13 * row, 712 - 13 * row, 0, 0)
        for column, text in enumerate(texts)
        for row, letter in enumerate(text)
    ]
    assert layout.lines(Sheet(words, [])) == texts


# What is told from where words stand is no law: a page in thousands is read otherwise. So the pages
# are the same in every run.
HEURISTIC = settings(max_examples=100, deadline=None, derandomize=True)


def set_in_columns(chance: random.Random, columns: int, gap: float) -> tuple[list[Word], list[str]]:
    """Return words set in columns, and the same in the order of reading."""
    words, expected = [], []
    width = (500 - gap * (columns - 1)) / columns
    for column in range(columns):
        left, y = 50 + column * (width + gap), 700.0
        for _ in range(chance.randint(2, 4)):
            x = left
            for text in [chance.choice(NAMES) for _ in range(chance.randint(30, 60))]:
                if x + 5 * len(text) > left + width:
                    x, y = left, y - 12
                words.append(Word(text, x, x + 5 * len(text), y, y + 11, 0, len(words)))
                expected.append(text)
                x += 5 * len(text) + 3
            y -= chance.choice([12, 16, 24])
    return words, expected


@HEURISTIC
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.sampled_from([11, 15, 30]))
def test_columns_are_read_one_after_another_in_whatever_order_they_are_drawn(
    chance: random.Random, columns: int, gap: float
) -> None:
    words, expected = set_in_columns(chance, columns, gap)
    chance.shuffle(words)
    assert " ".join(layout.lines(Sheet(words, []))).split() == expected


@HEURISTIC
@given(st.randoms(use_true_random=False), st.integers(2, 5), st.integers(3, 9), st.booleans())
def test_rows_of_a_table_stay_rows(
    chance: random.Random, columns: int, rows: int, is_ruled: bool
) -> None:
    step = 500 / columns
    cells = [
        [chance.choice(NAMES).capitalize() if n % 2 == 0 else str(chance.randint(1, 9999))
         for n in range(columns)]
        for _ in range(rows)
    ]  # fmt: skip
    words = [
        Word(text, 50 + n * step, 50 + n * step + 5 * len(text), 700 - 14 * y, 711 - 14 * y, 0, 0)
        for y, row in enumerate(cells)
        for n, text in enumerate(row)
    ]
    rules = [Rule(50, 550, 713 - 14 * y) for y in range(rows + 1)] if is_ruled else []
    chance.shuffle(words)
    assert layout.lines(Sheet(words, rules)) == [" ".join(row) for row in cells]
