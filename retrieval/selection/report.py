"""What a selection tells of itself: how much from where, how sure, and what lies around the cut."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from elenchus.printing import plain
from elenchus.results import Value
from retrieval.formats import Refused
from retrieval.selection.config import SelectionTree
from retrieval.selection.cut import AROUND, Choice, Chosen
from retrieval.selection.precision import BINS, LOWEST, WIDTH, Doubles, Precision
from retrieval.selection.scores import Scores
from retrieval.selection.scoring import Method
from retrieval.selection.shards import LeftOut
from retrieval.selection.value import Ratings

STEPS = 10  # of the histogram of scores
SHOWN_CHARS = 300  # of an example's text
_NAMES: dict[Method, str] = {"linear": "linear classifier", "dsir": "DSIR a token"}


class Cut(Value):
    """The least margin that is selected, or that would have been, and its score."""

    margin: float
    score: float
    why: str


class SourceRow(Value):
    """How much of a file, or of a dataset, is selected."""

    source: str
    texts: int
    selected: int
    tokens: int


class ScoreBin(Value):
    """How many texts have a score from `low` to `high` ("from" and "to" in JSON)."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    low: float = Field(alias="from")
    high: float = Field(alias="to")
    texts: int
    selected: int


class LeftOutRow(Value):
    """How much was left out for a reason, with the first few examples."""

    why: str
    count: int
    examples: list[str]


class Example(Value):
    """A text near the cut; of a long one, the beginning."""

    source: str
    score: float
    margin: float
    text: str


class SelectionReport(Value):
    """`report.json` of a selection, and what `elenchus select --json` prints.

    Shares, scores and `precision` (estimated, of what is selected) are of 1, sizes in MB of text,
    speed in MB for a second of processor time, `seconds` those of the process that finished it.
    """

    version: Literal[1] = 1
    domain: str
    method: Method
    documents: int
    texts: int
    tokens_in_all: int
    mb: float
    mb_per_second_per_core: float | None
    share: float
    cut: Cut
    selected: int
    tokens: int
    precision: float | None
    sources: list[SourceRow]
    histogram: list[ScoreBin]
    left_out: list[LeftOutRow]
    ratings: Ratings | None
    above: list[Example]
    below: list[Example]
    unreadable: list[Refused]
    tests: int
    seconds: float

    def as_markdown(self) -> str:
        """Return the report to read."""
        tree = self.model_dump()
        precision = f"{self.precision:.1%}" if self.precision is not None else "–"
        lines = [
            f"# Text selected for {self.domain}",
            "",
            f"{self.selected:,} texts with about {self.tokens:,} tokens, of {self.texts:,} texts "
            f"({self.mb:,.1f} MB), by the {_NAMES[self.method]}.",
            "",
            f"- Of the domain, as estimated: {self.share:.2%} of the corpus, {precision} of what "
            "is selected.",
            f"- The cut: score {self.cut.score:.3f}, margin {self.cut.margin:.2f}, {self.cut.why}.",
            "",
            *_table("From where", tree["sources"]),
            *_table("Scores", tree["histogram"]),
            *_table("Left out", tree["left_out"]),
        ]
        if self.unreadable:
            lines += _table("Files that could not be read", tree["unreadable"])
        if ratings := self.ratings:
            lines += [
                "## Educational value",
                "",
                f"{ratings.used} of {ratings.asked} ratings could be used, {ratings.mean} in the "
                f"mean; correlation of estimates with ratings held out: {ratings.correlation}.",
                "",
            ]
        lines += _examples("The last that are selected", self.above)
        lines += _examples("The first below the cut", self.below)
        return "\n".join(lines)


def summarised(
    config: SelectionTree,
    scores: Scores,
    precision: Precision,
    choice: Choice,
    refused: Iterable[Refused],
    tests: int,
    seconds: float,
) -> SelectionReport:
    """Sum a selection up; `refused` are files, `tests` and `seconds` go in as they are."""
    size = sum(counts.bytes for counts in scores.counts) / 1e6
    scoring = sum(counts.seconds for counts in scores.counts)
    chosen = precision.score(np.array([chosen.margin for chosen in choice.texts]))
    return SelectionReport(
        domain=config.domain,
        method=config.selection.method,
        documents=sum(counts.documents for counts in scores.counts),
        texts=int(precision.counts.sum()),
        tokens_in_all=int(precision.tokens.sum()),
        mb=round(size, 3),
        mb_per_second_per_core=round(size / scoring, 1) if scoring else None,
        share=round(precision.share, 5),
        cut=_cut(config, precision, choice),
        selected=len(choice.texts),
        tokens=choice.tokens,
        precision=round(float(chosen.mean()), 3) if len(chosen) else None,
        sources=_sources(scores, choice),
        histogram=_histogram(precision, chosen),
        left_out=_left_out(scores, choice),
        ratings=choice.ratings,
        above=[_example(c, precision, scores) for c in choice.texts[-AROUND:]],
        below=[_example(c, precision, scores) for c in choice.below],
        unreadable=list(refused),
        tests=tests,
        seconds=round(seconds, 1),
    )


def _cut(config: SelectionTree, precision: Precision, choice: Choice) -> Cut:
    least = config.selection.least_precision
    low = precision.cut(least, None)
    margin = choice.texts[-1].margin if choice.full and choice.texts else LOWEST + low * WIDTH
    if choice.full:
        why = f"where the budget of {config.selection.tokens:,} tokens is full"
    elif low == BINS:
        why = (
            f"since nothing reaches the precision of {least:g} (the best text is estimated at "
            f"{precision.from_bin_on().max():.2f}): set selection.precision lower"
        )
    else:
        why = f"where the precision of {least:g} ends" if least else "all of the corpus is in"
    score = float(precision.score(np.array([margin]))[0])
    return Cut(margin=round(margin, 4), score=round(score, 4), why=why)


def _sources(scores: Scores, choice: Choice) -> list[SourceRow]:
    texts, selected, tokens = Counter[str](), Counter[str](), Counter[str]()
    for shard, counts in zip(scores.shards, scores.counts, strict=True):
        texts[shard.name] += counts.documents
    for chosen in choice.texts:
        name = scores.shards[chosen.key[0]].name
        selected[name] += 1
        tokens[name] += chosen.tokens
    return [
        SourceRow(source=name, texts=count, selected=selected[name], tokens=tokens[name])
        for name, count in texts.items()
    ]


def _histogram(precision: Precision, chosen: Doubles) -> list[ScoreBin]:
    def steps(scores: Doubles, weights: NDArray[np.int64] | None) -> list[int]:
        place = np.minimum((scores * STEPS).astype(int), STEPS - 1)
        counts: list[int] = np.bincount(place, weights, STEPS).astype(int).tolist()
        return counts

    both = zip(steps(precision.scores, precision.counts), steps(chosen, None), strict=True)
    return [
        ScoreBin(low=n / STEPS, high=(n + 1) / STEPS, texts=texts, selected=selected)
        for n, (texts, selected) in enumerate(both)
    ]


def _left_out(scores: Scores, choice: Choice) -> list[LeftOutRow]:
    whole = LeftOut.merged((choice, *scores.counts))
    return [
        LeftOutRow(why=reason, count=count, examples=whole.examples[reason])
        for reason, count in whole.left_out.most_common()
    ]


def _example(chosen: Chosen, precision: Precision, scores: Scores) -> Example:
    return Example(
        source=scores.name(chosen.key),
        score=round(float(precision.score(np.array([chosen.margin]))[0]), 4),
        margin=round(chosen.margin, 3),
        text=chosen.text[:SHOWN_CHARS],
    )


def _table(title: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return [f"## {title}", "", "Nothing.", ""]
    head = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    body = ["| " + " | ".join(map(_cell, row.values())) + " |" for row in rows]
    return [f"## {title}", "", *head, *body, ""]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_cell(item) for item in value)
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return plain(" ".join(text.split()))


def _examples(title: str, examples: Sequence[Example]) -> list[str]:
    lines = [
        f"- {example.score:.3f} (margin {example.margin:.2f}), {_cell(example.source)}: "
        f"{_cell(example.text)}"
        for example in examples
    ]
    return [f"## {title}", "", *(lines or ["None."]), ""]
