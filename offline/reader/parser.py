"""Reads passages into rules, penalties, definitions and references between sections.

`read_passage` reads one passage, `read_code` several together, so that a grade that stands in
another section, or a fine in the part on penalties, finds its rule. Every finding has the exact
spans that it was read from, for quoting.
"""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Generic, TypeVar

from models.blocks import Extract
from offline.language.rules import Definition, Penalty, Rule
from offline.reader.clauses import Clause, may_rule, read_clause
from offline.reader.exceptions import FOLLOW_UP_WORDS, follow_up_exception
from offline.reader.lexicon import content_stems, has_number
from offline.reader.sentences import Sentence, split_sentences
from offline.reader.statements import (
    DEFINITION_WORDS,
    GRADE_WORDS,
    PENALTY_WORDS,
    GradeStatement,
    is_glossary,
    is_grade_elsewhere,
    is_tariff,
    open_term,
    read_definition,
    read_grade,
    read_penalties,
)

_FOLLOWING = re.compile(
    r"the following(?: [a-z]+)? ((?:is|are|must|may|shall)\b.*)$", re.IGNORECASE
)
_OPEN_LEAD = re.compile(r"\b(?:must|shall|may|not|never|to|is|are|be|following)$", re.IGNORECASE)
LONGEST = 600  # characters: longer sentences string together more than a rule can hold
NEAR = 2  # paragraphs after a rule in which its exception or grade may stand
_LETTERS = re.compile(r"[a-z'’-]+")
T = TypeVar("T")
_NUMBER = re.compile(
    r"^(?:(?:section|sec\.|article|rule|part|chapter|§|no\.?)\s*)?(\d+(?:\.\d+)*[a-z]?)\b", re.I
)
_INLINE = re.compile(r"^(\d{1,3}(?:\.\d{1,3})+)\.?\s+(?=[A-Z“\"])")
_UNITS = re.compile(
    r";\s+|,?\s+(?:and|but|or)\s+(?=(?:a|any|such a|each|every) (?:breach|failure|"
    r"contravention)\b|doing so\b|it is an? [a-z]+ breach\b)"
)


@dataclass(frozen=True, slots=True)
class Quote:
    """An exact substring of a passage, with where it starts there."""

    passage_id: str
    start: int
    text: str


@dataclass(slots=True)
class Norm:
    """A rule as read from a passage.

    Attributes:
        section: number of its section, "3.2"; empty where the passage shows none.
        condition: what must hold for the rule to bind at all.
        quotes: the rule's sentence first, then those of its exception and its grade.
        grade_elsewhere: the text says that the grade stands in another section.
    """

    rule: Rule
    section: str
    heading: str
    condition: str | None
    quotes: list[Quote]
    exception_quote: Quote | None = None
    grade_quote: Quote | None = None
    grade_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """A penalty, a definition or a grade by reference, with its quote and its section."""

    value: T
    quote: Quote
    section: str


@dataclass(slots=True)
class Code:
    """Everything that was read from one or more passages."""

    norms: list[Norm] = field(default_factory=list)
    penalties: list[Finding[Penalty]] = field(default_factory=list)
    definitions: list[Finding[Definition]] = field(default_factory=list)
    references: list[Finding[GradeStatement]] = field(default_factory=list)

    def penalty(self, grade: str | None) -> Finding[Penalty] | None:
        """Return what a breach of a grade costs; None where that was not read."""
        return next((p for p in self.penalties if p.value.grade == grade), None)


def read_code(extracts: list[Extract]) -> Code:
    """Read passages together, and give grades by reference to their rules."""
    code = Code()
    for extract in extracts:
        read = read_passage(extract)
        code.norms += [replace(norm, quotes=list(norm.quotes)) for norm in read.norms]
        code.penalties += read.penalties
        code.definitions += read.definitions
        code.references += read.references
    for norm in code.norms:
        if norm.rule.grade is None and norm.rule.kind != "permission":
            _refer(norm, code.references)
    return code


def _refer(norm: Norm, references: list[Finding[GradeStatement]]) -> None:
    """Give a rule the grade that another section states for its section, or for its part."""
    for reference in references:
        stated = reference.value
        named = norm.section and norm.section in stated.sections
        part = stated.part and norm.section.split(".")[0] == reference.section.split(".")[0]
        if named or (part and norm.section and not norm.grade_elsewhere):
            norm.rule = replace(norm.rule, grade=stated.grade)
            norm.grade_quote = reference.quote
            return


@lru_cache(maxsize=4096)
def read_passage(extract: Extract) -> Code:
    """Read everything that one passage states. The result is shared: callers must not change it."""
    reader = _Reader(extract)
    for sentence in split_sentences(extract.text):
        reader.sentence(sentence)
    return reader.code


class _Reader:
    """Reads the sentences of a passage one by one; they refer back to the rules in `local`."""

    def __init__(self, extract: Extract) -> None:
        self.extract = extract
        self.code = Code()
        self.heading = extract.heading.rpartition(" > ")[2]
        self.section = _section_number(self.heading)
        self.inner_heading = ""
        self.local: list[Norm] = []
        self.latest = 0  # paragraph of the last norm
        self.paragraph = -1

    def sentence(self, sentence: Sentence) -> None:
        """Read a sentence, after all sentences before it."""
        if sentence.heading != self.inner_heading:
            self.inner_heading = self.heading = sentence.heading
            self.section = _section_number(sentence.heading) or self.section
            self.local = []
        if self.local and sentence.paragraph > self.latest + NEAR:
            self.local = []
        text = sentence.text
        inline = _INLINE.match(text) if sentence.paragraph != self.paragraph else None
        self.paragraph = sentence.paragraph
        if inline is not None:
            self.section, text = inline.group(1), text[inline.end() :]
            self.local = []
        for unit in _units(text):
            self._unit(unit, sentence)

    def _unit(self, unit: str, sentence: Sentence) -> None:
        """Read one statement; its words tell what it can be, before anything is parsed."""
        if len(unit) > LONGEST:
            return
        if self._listed(unit, sentence):
            return
        words = frozenset(_LETTERS.findall(unit.lower()))
        quote = Quote(
            self.extract.id, sentence.start, self.extract.text[sentence.start : sentence.end]
        )
        if self._definition(unit, words, quote) or self._penalties(unit, words, quote):
            return
        if not words.isdisjoint(FOLLOW_UP_WORDS) and self._follow_up(unit, quote):
            return
        if not words.isdisjoint(GRADE_WORDS) and self._grade(unit, quote):
            return
        if sentence.lead is None and not may_rule(unit, words):
            return
        if (clause := self._clause(unit, sentence)) is not None:
            self._norm(clause, quote)

    def _listed(self, unit: str, sentence: Sentence) -> bool:
        """Read an item of a list that defines a term: "“dependent” means: (1) a child, or …"."""
        term = open_term(sentence.lead.text) if sentence.lead is not None else None
        if term is None:
            return False
        assert sentence.lead is not None
        start = sentence.lead.start
        quote = Quote(self.extract.id, start, self.extract.text[start : sentence.end])
        meaning = unit.rstrip(" .;,")
        last = self.code.definitions[-1] if self.code.definitions else None
        if last is not None and last.quote.start == start:
            self.code.definitions.pop()
            meaning = f"{last.value.meaning} {meaning}"
        self.code.definitions.append(Finding(Definition(term, meaning), quote, self.section))
        return True

    def _definition(self, unit: str, words: frozenset[str], quote: Quote) -> bool:
        heading = f"{self.extract.heading} {self.heading}"
        if words.isdisjoint(DEFINITION_WORDS) and not is_glossary(heading) and unit[:1] not in '"“':
            return False
        definition = read_definition(unit, heading)
        if definition is not None:
            self.code.definitions.append(Finding(definition, quote, self.section))
        return definition is not None

    def _penalties(self, unit: str, words: frozenset[str], quote: Quote) -> bool:
        priced = not words.isdisjoint(PENALTY_WORDS) or is_tariff(self.heading)
        if not priced or not has_number(unit):
            return False
        penalties = read_penalties(unit, self.heading)
        self.code.penalties += [Finding(p, quote, self.section) for p in penalties]
        return bool(penalties)

    def _follow_up(self, unit: str, quote: Quote) -> bool:
        """Give an exception in a sentence of its own to the rule before it."""
        if not self.local:
            return False
        exception = follow_up_exception(unit)
        if exception is None:
            return False
        norm = self.local[-1]
        if norm.rule.exception is None and norm.rule.kind != "permission":
            norm.rule = replace(norm.rule, exception=exception)
            norm.exception_quote = quote
            _add(norm.quotes, quote)
        return True

    def _grade(self, unit: str, quote: Quote) -> bool:
        """Give a grade to the rule before it, or keep it as a reference to other sections."""
        if is_grade_elsewhere(unit):
            for norm in self.local[-1:]:
                norm.grade_elsewhere = True
            return True
        stated = read_grade(unit)
        if stated is None:
            return False
        if stated.sections or stated.part:
            self.code.references.append(Finding(stated, quote, self.section))
            return True
        open_norms = [
            norm
            for norm in self.local
            if norm.rule.grade is None
            and norm.rule.kind != "permission"
            and not norm.grade_elsewhere
        ]
        if not open_norms:
            return False
        for norm in open_norms if stated.several else [_meant(open_norms, unit)]:
            norm.rule = replace(norm.rule, grade=stated.grade)
            norm.grade_quote = quote
            _add(norm.quotes, quote)
        return True

    def _clause(self, unit: str, sentence: Sentence) -> Clause | None:
        """Read a norm, of a list's item together with the list's lead."""
        if unit.endswith((":", "-", "–", "—")):
            return None  # the lead of a list, which is read with each of its items
        clause = read_clause(unit, self.heading)
        if clause is None and sentence.lead is not None:
            lead = sentence.lead.text.rstrip(" :-–—")
            if unit[:1].isupper() and unit[-1:] not in ".;," and not _OPEN_LEAD.search(lead):
                return None  # a title among the items
            item = re.sub(r"[;,]?\s*(?:and|or)?\s*$", "", unit)
            listed = _FOLLOWING.match(lead)
            joined = f"{item} {listed.group(1)}" if listed else f"{lead} {item}"
            clause = read_clause(joined, self.heading)
        return clause

    def _norm(self, clause: Clause, quote: Quote) -> None:
        exception = None if clause.kind == "permission" else clause.exception
        rule = Rule(clause.kind, clause.topic, clause.value, clause.unit, exception, None)
        norm = Norm(rule, self.section, self.heading, clause.condition, [quote])
        if exception is not None:
            norm.exception_quote = quote
        self.local.append(norm)
        self.latest = self.paragraph
        self.code.norms.append(norm)


def _add(quotes: list[Quote], quote: Quote) -> None:
    if quote not in quotes:
        quotes.append(quote)


def _meant(norms: list[Norm], unit: str) -> Norm:
    """Return the rule that a grade speaks of: the one whose topic it names most, else the last."""
    stems = set(content_stems(unit))

    def named(norm: Norm) -> int:
        return sum(stem in stems for stem in content_stems(norm.rule.topic))

    best = max(named(norm) for norm in norms)
    return next(norm for norm in reversed(norms) if named(norm) == best)


def _units(text: str) -> list[str]:
    """Take a sentence apart where independent statements are strung together."""
    return [part for part in _UNITS.split(text) if part and part.strip()]


def _section_number(heading: str) -> str:
    number = _NUMBER.match(heading.strip())
    return number.group(1) if number else ""
