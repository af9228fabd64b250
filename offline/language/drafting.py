"""Drafts rules as documents word them: forms of clauses, exceptions, grades and fines.

There is one form a line; `[a|b]` is a choice. `{t}` is the topic, `{n}` and `{u}` the figure and
its unit, `{x}` the exception, `{g}` the grade, `{who}` a person, `{sec}` the number of a section.
"""

import random
import re

from offline.language import stock
from offline.language.rules import Definition, Penalty, Rule
from offline.language.wording import choose, fill_slots, frames, one_unit

MAIN: dict[str, str] = {
    "deadline": """
The {t} must be [made|done|handed in|completed|settled] within {n} {u} [of|after] {event}.
{who} must [complete|settle|finish|send] the {t} no later than {n} {u} after {event}.
Within {n} {u} of {event}, {who} [shall|must] see to the {t}.
No more than {n} {u} may pass between {event} and the {t}.
The {t} is due within {n} {u} of {event}.
{who} has {n} {u} for the {t}, counted from {event}.
The time allowed for the {t} is {n} {u}.
The {t} shall not [take|be delayed] longer than {n} {u}.
After {event} the {t} must follow [within|in at most] {n} {u}.
{who} shall [deliver|arrange|carry out] any {t} within {n} {u}.
""",
    "maximum": """
The {t} must not exceed {n} {u}.
The {t} may be at most {n} {u}.
No {t} may be [over|more than|above] {n} {u}.
{who} may keep the {t} at no more than {n} {u}.
The [limit|upper limit] for the {t} is {n} {u}.
A {t} of more than {n} {u} is not [allowed|permitted].
At most {n} {u} are [allowed|permitted] for the {t}.
{who} must hold the {t} [to|down to] {n} {u} or less.
The {t} shall stay at or below {n} {u}.
""",
    "minimum": """
The {t} must be at least {n} {u}.
The {t} may not be [under|less than|below] {n} {u}.
No {t} may be [under|less than|below] {n} {u}.
{who} must provide no fewer than {n} {u} for the {t}.
A {t} of less than {n} {u} is not [allowed|permitted].
Every {t} [requires|needs] at least {n} {u}.
At least {n} {u} are required for the {t}.
The least {who} may have for the {t} is {n} {u}.
The {t} shall not fall below {n} {u}.
""",
    "prohibition": """
The {t} is [forbidden|prohibited].
{t} is [forbidden|prohibited|not allowed|not permitted].
{who} must not [take part in|allow|engage in] {t}.
No {t} may take place [here|in this place|on the grounds].
There shall be no {t}.
No person may go in for {t}.
{who} may not [permit|start|carry on] any {t}.
It is forbidden to have any {t}.
""",
    "permission": """
The {t} is [allowed|permitted].
{t} is [allowed|permitted].
{who} may [take part in|have|go in for|carry on] {t}.
There may be {t} [at any time|on the grounds|in this place].
Every person may [enjoy|use|have] the {t}.
It is permitted to have {t}.
{who} is free to have the {t}.
""",
}

# Joins an exception to the main sentence in place of its full stop.
JOINTS = (" unless", ", unless", " except when", ", except where", " except if", ", save where")

APART = """
This does not apply [when|where|if] {x}.
The rule is lifted [when|while|if] {x}.
An exception is made [when|where|if] {x}.
[When|Where|If] {x}, the rule does not hold.
Nobody is bound by this [when|where|if] {x}.
It may be set aside [when|if|where] {x}.
Not so [when|where|if] {x}.
"""

GRADE = """
[Failure to do so|Failure to keep to this|A breach of this|A breach] is a {g} breach.
Breach of this rule is [graded|rated|classed as] {g}.
Whoever breaks this commits a {g} breach.
This is a rule of the {g} grade.
A breach of this section is [{g}|graded {g}] (section {sec}).
To break this rule is a {g} breach.
[Breaking it|Any breach] counts as {g}.
The grade of a breach is {g}.
"""

FINE = """
A {g} breach [costs|carries a fine of|is fined|is punished with] {a} {c}.
For a {g} breach the fine is {a} {c}.
The fine for a {g} breach is {a} {c}.
Whoever commits a {g} breach pays {a} {c}.
{a} {c} must be paid for a {g} breach.
"""

MEANS = """
"{t}" means {m}.
In this code {t} means {m}.
By {t} is meant {m}.
The term {t} stands for {m}.
"""

PROSE = """
This part was [drafted|revised] after a [long|short] [debate|winter].
The {who2} keeps a copy of these pages.
Many a {noun} has stood here for years.
Advice can be had from the {who2}.
The reason lies in what befell the old {noun}.
See also section {sec}.
What follows has been the custom for a long time.
A tidy {noun} spares everybody trouble.
"""

EVENT = """
the day of the {noun}|the event|the request|the end of the {noun}|arrival|the first {noun}|a call
 from the {who2}|the accident|notice being given|the loss of the {noun}|the opening of the {noun}
"""


def fill(form: str, slots: dict[str, str], rng: random.Random) -> str:
    """Make a form's choices and fill its slots, twice over for slots within slots."""
    pool = {
        "noun": stock.word(stock.THINGS, rng, 0.2),
        "who2": rng.choice(stock.PERSONS),
        "who": _who(rng),
        "sec": f"{rng.randint(1, 12)}.{rng.randint(1, 9)}",
        "event": rng.choice(stock.phrases(EVENT)),
    } | slots
    for _ in range(2):
        form = fill_slots(choose(form, rng), pool)
    return form[:1].upper() + form[1:]


def _who(rng: random.Random) -> str:
    person = rng.choice(stock.PERSONS)
    forms = (f"the {person}", f"every {person}", f"each {person}", "the person in charge")
    return rng.choice(forms)


def clause(rule: Rule, rng: random.Random) -> str:
    """Draft a rule as it might stand in a code: norm, exception, grade."""
    unit = rule.unit or ""
    slots = {"t": rule.topic, "n": str(rule.value), "u": unit, "g": rule.grade or ""}
    slots["x"] = rule.exception or ""
    if rule.value == 1:
        slots["u"] = one_unit(unit)
    main = fill(rng.choice(frames(MAIN[rule.kind])), slots, rng)
    grade = fill(rng.choice(frames(GRADE)), slots, rng) if rule.grade else ""
    parts = [main, grade]
    if rule.exception and rng.random() < 0.5:
        parts[0] = f"{main[:-1]}{rng.choice(JOINTS)} {rule.exception}."
    elif rule.exception:
        apart = fill(rng.choice(frames(APART)), slots, rng)
        parts.insert(1 if rng.random() < 0.75 else 2, apart)
    return " ".join(part for part in parts if part)


def fine(penalty: Penalty, rng: random.Random) -> str:
    """Draft a penalty as a sentence."""
    slots = {"g": penalty.grade, "a": str(penalty.amount), "c": penalty.currency}
    return _article(fill(rng.choice(frames(FINE)), slots, rng))


def meaning(definition: Definition, rng: random.Random) -> str:
    """Draft a definition as a sentence."""
    return fill(rng.choice(frames(MEANS)), {"t": definition.term, "m": definition.meaning}, rng)


def prose(rng: random.Random) -> str:
    """Draft a sentence that rules nothing."""
    return fill(rng.choice(frames(PROSE)), {}, rng)


def _article(text: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
