"""Reads a clause that states a norm: what it limits or forbids, what it rules on, its exception.

`read_clause` takes a sentence in any common drafting form ("No person may …", "… is prohibited",
"The master must …", "It is an offence to …") and returns what `rules.Rule` can hold, or None.
"""

import re
from dataclasses import dataclass, replace

from offline.language.rules import RuleKind
from offline.reader.exceptions import split_condition, split_exception
from offline.reader.lexicon import has_number, word_set
from offline.reader.limits import (
    TIME_UNITS,
    Limit,
    Mood,
    find_limit,
    find_stated_limit,
    has_fraction,
    is_physical,
    unit_name,
)
from offline.reader.moods import Split, split_at_modal, split_only
from offline.reader.phrases import (
    best_topic,
    is_actor,
    noun_phrase,
    object_topics,
    subject_phrases,
    subject_topics,
    tokenise,
)
from offline.reader.statements import strip_references

# Names for the ruled thing, with weights: 1 for the place that names it most surely.
Topics = list[tuple[str, float]]

_NORM_WORDS = word_set(
    "must shall may cannot never don't don’t mustn't mustn’t prohibited forbidden banned barred "
    "unlawful illegal offence permitted allowed entitled free required obliged authorised "
    "authorized tolerated outlawed disallowed lawful welcome limits off"
)
_MEASURING = word_set(
    "exceed measure weigh last number reach run stay remain extend fall drop rise go stand cover "
    "total come grow consist amount take cost equal lie sink pass follow happen occur start "
    "begin end continue apply arrive expire require need be return leave"
)
_HOLDING = word_set("have hold contain keep carry seat bear")
_PRONOUN_OBJECT = re.compile(
    r"^\W*(?:[a-z]+ly )?[a-z]+ (?:and [a-z]+ )?(?:it|them|one|him|her)\b", re.IGNORECASE
)
_EMPTY_SUBJECT = re.compile(r"^(?:it|there|this|that|they|these|those|he|she|you|we|i)?$", re.I)


_NAMES_LIMIT = re.compile(
    r"(?:the |a )?(?:least|most|maximum|minimum|(?:upper |lower |time )?limit|deadline|time "
    r"allowed)\b(?= (?:[a-z]+ ){0,4}?(?:for|of|on|may|can)\b)",
    re.IGNORECASE,
)
_PASSING = re.compile(r"\s*(?:pass|go by|elapse|lie|be let pass)\b", re.IGNORECASE)
_EXCEEDING = re.compile(
    r"\s*(?:exceed|be (?:more|less|fewer|greater|longer|later))\b", re.IGNORECASE
)
_LIGHT_VERBS = word_set(
    "go engage take see deal apply carry make do have come get put set pay ask look send report "
    "comply attend respond appeal object refer interfere"
)
_PLACES = re.compile(
    r"\W*[a-z]+ (?:[a-z]+ly )?(?:in|at|on|from|near|along|across|through|under|over|into|off|"
    r"inside|outside|up|down|within|alongside|between|among|around|there|here|ashore|afloat|"
    r"by)\b|\W*[a-z]+$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A norm that a sentence states; `topic` names what is ruled."""

    kind: RuleKind
    topic: str
    value: int | None
    unit: str | None
    exception: str | None
    condition: str | None


def may_rule(text: str, words: frozenset[str]) -> bool:
    """Tell whether a sentence can state a norm at all, by its words: most prose cannot.

    Args:
        words: of the text, in lower case.
    """
    if not words.isdisjoint(_NORM_WORDS) or has_number(text):
        return True
    return "to" in words and not words.isdisjoint(("is", "are"))


def read_clause(text: str, heading: str) -> Clause | None:
    """Return the norm that a sentence states; None where it states none that a `Rule` can hold.

    Args:
        heading: of the section that the sentence stands in; it helps to tell what is ruled.
    """
    main, exception = split_exception(strip_references(text).strip().rstrip(".;:!"))
    main, condition = split_condition(main)
    split = None if _NAMES_LIMIT.match(main) else split_at_modal(main)
    if split is None:
        return _stated(main, exception, condition, heading)
    split, only = split_only(split)
    return _ruled(split, main, exception or only, condition, heading)


def _stated(main: str, exception: str | None, condition: str | None, heading: str) -> Clause | None:
    """Read a limit that is named: "The maximum weight of a crate is 30 kilograms."."""
    limit = find_stated_limit(main)
    if limit is None or has_fraction(main):
        return None
    limit = _with_unit(limit, main)
    return _limited(limit, _named_topics(main, limit), exception, condition, heading)


def _named_topics(main: str, limit: Limit) -> Topics:
    """Return names for what a stated limit limits: "the maximum weight of | a crate | is …"."""
    named = re.match(
        r"(?:the |an? )?(?:[a-z]+ )?(?:upper |lower |time )?(?:limit|ceiling|cap|deadline|"
        r"maximum|minimum|time allowed|period|most|least|time)\b(?: [a-z ]{1,30}?)? (?:for|on|of|"
        r"to) (?=\w)",
        main[limit.start :] if limit.start else main,
        re.IGNORECASE,
    )
    if named is None:
        stripped = re.sub(
            r"^(?:the |an? )?(?:maximum|minimum|max\.?|min\.?) ", "", main, flags=re.I
        )
        return subject_topics(re.split(r"\b(?:is|are)\b", stripped)[0])
    rest = main[limit.start + named.end() :]
    return subject_topics(re.split(r"\b(?:is|are|stands|runs|lasts)\b", rest)[0])


def _ruled(
    split: Split, main: str, exception: str | None, condition: str | None, heading: str
) -> Clause | None:
    """Read a clause that was split at its modal verb."""
    limit, place = _limit_of(split)
    if limit is None and split.mood != "permission":
        stated = find_stated_limit(main)
        if stated is not None and split.mood == "duty":
            return _limited(
                _with_unit(stated, main), _named_topics(main, stated), exception, condition, heading
            )
    if limit is None and (has_fraction(main) or split.mood == "duty"):
        return None
    if limit is None and _EXCEEDING.match(split.predicate):
        return None
    topics = _topics(split, limit, place)
    if limit is not None:
        return _limited(limit, topics, exception, condition, heading)
    kind: RuleKind = "prohibition" if split.mood == "negative" else "permission"
    topic = best_topic(topics, heading)
    if topic is None or (is_actor(topic) and " " not in topic):
        return None
    return Clause(kind, topic, None, None, exception, condition)


def _limited(
    limit: Limit, topics: Topics, exception: str | None, condition: str | None, heading: str
) -> Clause | None:
    topic = best_topic(topics, heading)
    if topic is None or limit.unit is None:
        return None
    return Clause(limit.kind, topic, limit.value, limit.unit, exception, condition)


def _limit_of(split: Split) -> tuple[Limit | None, str]:
    """Return the limit of a clause and where it stands.

    That is "predicate", "subject", "preamble" or "passing", as in "No more than 3 days may pass
    between the sale and the receipt".
    """
    limit = find_limit(split.predicate, split.mood)
    if limit is not None:
        return _with_unit(limit, split.predicate), "predicate"
    limit = find_limit(split.preamble, split.mood)
    if limit is not None and limit.kind == "deadline" and limit.unit is not None:
        return limit, "preamble"
    # Outside of prohibitions, "a vessel over 12 metres must …" describes and does not limit.
    mood: Mood = "negative" if split.mood == "negative" else "permission"
    limit = find_limit(split.subject, mood)
    if limit is not None and limit.unit in TIME_UNITS and _PASSING.match(split.predicate):
        return replace(limit, kind="deadline"), "passing"
    if limit is not None and (limit.unit is None or limit.start == 0 or limit.kind != "deadline"):
        return _with_unit(limit, split.subject), "subject"
    return limit, "subject"


def _with_unit(limit: Limit, text: str) -> Limit:
    """Take what is counted for the unit, where there is no unit of measure: "38 pots"."""
    if limit.unit is not None:
        return limit
    counted = noun_phrase(tokenise(text[limit.number_end :]), 0)
    if counted is None:
        return limit
    return replace(limit, unit=counted.text, end=limit.number_end + 1 + len(counted.text))


def _topics(split: Split, limit: Limit | None, place: str) -> Topics:
    """Return names for the ruled thing, from every place of the clause that may name it."""
    if place == "passing":
        named = [phrase.text for phrase in subject_phrases(split.predicate)][1:]
        return [(text, 1.0 - 0.1 * n) for n, text in enumerate(reversed(named))]
    if limit is not None and place == "subject":
        return _topics_beside_subject_limit(split, limit)
    before, after = split.predicate, ""
    limited = limit is not None and place == "predicate"
    if limit is not None and limited:
        before, after = split.predicate[: limit.start], split.predicate[limit.end :]
    topics = _measured(limit, after) if limit is not None else []
    verb = next(iter(re.findall(r"[a-z]+", before.lower())), "")
    bare = not re.sub(r"^\W*\w+\W*", "", before).strip()
    subject = subject_topics(split.subject)
    if split.passive or (limited and bare and verb in _MEASURING):
        topics += subject + _weighted(_adjuncts(before), 0.2) + _weighted(_adjuncts(after), 0.15)
        return topics
    if limited and bare and verb in _HOLDING and subject and not is_actor(subject[0][0]):
        return topics + subject
    if _PRONOUN_OBJECT.match(before):
        inner = [text for text, _ in subject if not is_actor(text)]
        topics += [(text, 1.0 - 0.1 * n) for n, text in enumerate(inner)]
        return topics
    if not before.strip(" ,") and after:
        before = after.partition(", ")[2] or after
    objects = object_topics(before)
    topics += objects + _weighted(_adjuncts(after), 0.15)
    if limit is not None and limited and bare and verb and not is_physical(limit.unit):
        topics.append((str(limit.unit), 0.9))  # "may borrow up to 6 films"
    onto_actor = bool(objects) and is_actor(objects[0][0])
    topics += _weighted(subject, 1.05 if split.no_subject else 0.8 if onto_actor else 0.45)
    if not objects or objects[0][1] < 1:
        topics += _deed(before) if _may_do(split, subject) else []
    return topics


def _may_do(split: Split, subject: Topics) -> bool:
    """Tell whether a deed can stand for what is ruled: not in "we may collect from you"."""
    if split.mood != "permission":
        return True
    return bool(subject) and is_actor(subject[0][0])


def _measured(limit: Limit, after: str) -> Topics:
    """Return what a limit measures: "at most 40 litres | of petrol", "3 metres | for the pier"."""
    lead = re.match(r"\s*(?:of|for) ", after, re.IGNORECASE)
    if lead is None or (limit.kind == "deadline" and "of" in lead.group()):
        return []
    return [(text, 1.1 * weight) for text, weight in subject_topics(after[lead.end() :])[:1]]


def _topics_beside_subject_limit(split: Split, limit: Limit) -> Topics:
    """Return names where the subject has the limit: "At most 40 litres of petrol may be kept"."""
    before, after = split.subject[: limit.start].strip(), split.subject[limit.end :]
    topics = _measured(limit, after)
    head = re.sub(r"\b(?:of|with|for|at|over|above|longer|than)\s*$", "", before).strip()
    if head and _EMPTY_SUBJECT.match(head) is None:
        topics += _weighted(subject_topics(head), 1.05)
    if split.passive:
        done = re.sub(r"^\W*(?:be|have been) (?:[a-z]+ly )?[a-z]+", "do", split.predicate)
        topics += _weighted(object_topics(done), 0.7)
    else:
        topics += _weighted(object_topics(split.predicate), 0.9)
    if limit.unit is not None and unit_name(limit.unit) is None:
        topics.append((limit.unit, 0.05))
    return topics


def _adjuncts(text: str) -> Topics:
    """Return the noun phrases of what surrounds the verb."""
    return object_topics(f"be {text}") if text.strip() else []


def _weighted(topics: Topics, factor: float) -> Topics:
    return [(text, weight * factor) for text, weight in topics]


def _deed(predicate: str) -> Topics:
    """Return the deed itself where nothing is acted upon: "swim in the harbour", as "swimming"."""
    predicate = re.sub(r"^\W*(?:[a-z]+ly|also|then|always) ", "", predicate)
    verb = re.match(r"\W*([a-z]+)", predicate, re.IGNORECASE)
    if verb is None or verb.group(1).lower() in _LIGHT_VERBS or not _PLACES.match(predicate):
        return []
    return [(gerund(verb.group(1).lower()), 0.95)]


def gerund(verb: str) -> str:
    """Return the -ing form of a verb."""
    if verb.endswith("ing"):
        return verb
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    if re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb):
        return verb + verb[-1] + "ing"
    return verb + "ing"
