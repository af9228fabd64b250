"""Reports which items of tests were seen before, in training examples or in the corpus."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from elenchus.records import digest
from elenchus.results import Value
from evaluation.calibration import calibrate
from evaluation.contamination import (
    Encode,
    Match,
    Remembered,
    Text,
    Way,
    by_words,
    near,
    ordered,
    worst,
)

Part = Literal["examples", "corpus"]
MOST = 10  # pairs of an item, part and way that are kept
PARTS: tuple[Part, ...] = ("examples", "corpus")


class LeakedPair(Value):
    """An item of a test, and a text that it was found in.

    Attributes:
        item, seen: their ids: of a training example, or of a passage of the corpus.
        where: what people know the text by: a document and heading; "" for an example.
        way, score: how it was found: so many words in a row, or a cosine.
        item_text, seen_text: both texts whole; the matching part is `seen_text[start:end]`.
    """

    item: str
    part: Part
    seen: str
    where: str
    way: Way
    score: float
    item_text: str
    seen_text: str
    start: int
    end: int


class TestLeaks(Value):
    """What of one test was seen.

    Attributes:
        compared: hash of its items.
        items: how many it has.
        examples, corpus: the ids of those that leak there.
        ways: by part and way, how many leak; one may leak by both.
        threshold: the cosine from which a text is a copy; None where no vectors were compared.
        calibrated: whether the items were enough to find it; else it is the usual one.
        recall, precision, either: of the planted set, see `evaluation.calibration.Calibration`.
        pairs: the worst first, so many at most of each item, part and way.
    """

    compared: str
    items: int
    examples: list[str]
    corpus: list[str]
    ways: dict[Part, dict[Way, int]]
    threshold: float | None
    calibrated: bool
    recall: float | None
    precision: float | None
    either: float | None
    copies: int
    innocents: int
    pairs: list[LeakedPair]

    def worst(self, count: int) -> list[LeakedPair]:
        """Return the worst pairs, one of each item, those in training examples first."""
        firsts: dict[str, LeakedPair] = {}
        for pair in self.pairs:
            firsts.setdefault(pair.item, pair)
        return list(firsts.values())[:count]


class Contamination(Value):
    """What of a run's tests was seen.

    Attributes:
        compared: hash of what the tests were compared with, and how.
        embedding: the name of the model whose vectors were compared; "" for none.
        examples, corpus: how many training examples and documents there were.
    """

    version: Literal[1] = 1
    compared: str
    embedding: str
    examples: int
    corpus: int
    tests: dict[str, TestLeaks]

    @property
    def leaks(self) -> int:
        """Return how many items leak anywhere."""
        return sum(len({*test.examples, *test.corpus}) for test in self.tests.values())

    def left_out(self, test: str, corpus: bool = False) -> frozenset[str]:
        """Return the items that a headline figure goes without.

        Args:
            corpus: whether those go that leak into the corpus alone, too.
        """
        found = self.tests.get(test)
        if found is None:
            return frozenset()
        return frozenset((*found.examples, *(found.corpus if corpus else ())))


class Seen(NamedTuple):
    """What an item may stand in.

    Attributes:
        examples: the texts of training examples, by the example's id.
        corpus: documents.
    """

    examples: Sequence[Text]
    corpus: Sequence[Text]


def fingerprint(*texts: Sequence[Text], embedding: str = "") -> str:
    """Return a hash of texts, in any order, by which an earlier report is known to be of them."""
    return digest("\n".join((embedding, *(repr(ordered(each)) for each in texts))))


def report(
    tests: Mapping[str, Sequence[Text]], seen: Seen, encode: Encode | None, embedding: str
) -> Contamination:
    """Compare every test with everything that was seen.

    Args:
        encode: turns texts into unit vectors; None to compare words alone.
        embedding: what is said of it.
    """
    remembered = Remembered(encode) if encode else None
    return Contamination(
        compared=fingerprint(*seen, embedding=embedding if encode else ""),
        embedding=embedding if encode else "",
        examples=len({text.id for text in seen.examples}),
        corpus=len({text.id for text in seen.corpus}),
        tests={name: _of_test(items, seen, remembered) for name, items in tests.items()},
    )


def _of_test(items: Sequence[Text], seen: Seen, encode: Encode | None) -> TestLeaks:
    parts: dict[Part, Sequence[Text]] = {"examples": seen.examples, "corpus": seen.corpus}
    found = {part: by_words(items, texts) for part, texts in parts.items()}
    calibration = None
    if encode is not None and items:
        nearest = {part: near(items, texts, encode) for part, texts in parts.items()}
        together = worst([*nearest["examples"], *nearest["corpus"]])
        calibration = calibrate(items, together, encode)
        for part, matches in nearest.items():
            found[part] += [m for m in matches if m.score >= calibration.threshold]
    kept = {part: worst(matches, MOST) for part, matches in found.items()}
    texts = {item.id: item.text for item in items}
    return TestLeaks(
        compared=fingerprint(items),
        items=len(texts),
        examples=sorted({m.item for m in found["examples"]}),
        corpus=sorted({m.item for m in found["corpus"]}),
        ways={part: _by_way(matches) for part, matches in found.items()},
        threshold=calibration.threshold if calibration else None,
        calibrated=calibration is not None and calibration.recall is not None,
        recall=calibration.recall if calibration else None,
        precision=calibration.precision if calibration else None,
        either=calibration.either if calibration else None,
        copies=calibration.copies if calibration else 0,
        innocents=calibration.innocents if calibration else 0,
        pairs=[_pair(match, part, texts) for part in PARTS for match in kept[part]],
    )


def _by_way(matches: Iterable[Match]) -> dict[Way, int]:
    ways: tuple[Way, ...] = ("words", "embedding")
    found = {(match.item, match.way) for match in matches}
    return {way: sum(one[1] == way for one in found) for way in ways}


def _pair(match: Match, part: Part, texts: Mapping[str, str]) -> LeakedPair:
    return LeakedPair(
        item=match.item,
        part=part,
        seen=match.seen,
        where="",
        way=match.way,
        score=match.score,
        item_text=texts[match.item],
        seen_text=match.text,
        start=match.span.start,
        end=match.span.end,
    )
