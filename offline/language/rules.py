"""Rules, penalties and definitions, as both models know them.

The reader parses documents into these records; the nano is pre-trained on random ones.
"""

from dataclasses import dataclass
from typing import Literal

RuleKind = Literal["deadline", "maximum", "minimum", "prohibition", "permission"]

QUANTIFIED: frozenset[RuleKind] = frozenset({"deadline", "maximum", "minimum"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A norm: what it rules on, how much it allows, when it does not apply, how bad a breach is.

    Attributes:
        topic: noun phrase that names what is ruled, lower case, no article: "fuel spill report".
        value: the limit; None for a prohibition or a permission.
        unit: plural, "days"; None where there is no limit.
        exception: a clause in the present tense without its "unless" or "when".
        grade: name of the grade of breach, "serious"; None where none is stated.
    """

    kind: RuleKind
    topic: str
    value: int | None
    unit: str | None
    exception: str | None
    grade: str | None


@dataclass(frozen=True, slots=True)
class Penalty:
    """The price of a breach of one grade."""

    grade: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Definition:
    """The meaning of a term in a code."""

    term: str
    meaning: str
