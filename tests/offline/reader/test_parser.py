"""The parser: drafting forms, exact quotes, grades, penalties, definitions, and real text."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import Extract
from offline.language import drafting
from offline.language.rules import Definition, Penalty, Rule
from offline.nano import codes
from offline.reader.lexicon import parse_number, stem
from offline.reader.limits import find_limit
from offline.reader.parser import Code, read_code, read_passage
from offline.reader.sentences import split_sentences
from offline.reader.statements import section_list

ROOT = Path(__file__).resolve().parents[3]


def read(text: str, heading: str = "Part 1 > 1.1 Rules") -> Code:
    return read_code([Extract("p-1", heading, text)])


def only(text: str, heading: str = "Part 1 > 1.1 Rules") -> Rule:
    norms = read(text, heading).norms
    assert len(norms) == 1, [norm.rule for norm in norms]
    return norms[0].rule


LIMITS = [
    # deadlines
    ("The librarian must return the book loan slip within 21 days of the loan.",
     "deadline", "book loan slip", 21, "days"),
    ("A fault report shall be filed no later than nine hours after the fault.",
     "deadline", "fault report", 9, "hours"),
    ("Rent is to be paid by the 5th day of the month.", "deadline", "rent", 5, "days"),
    ("The tenant must hand in the inventory before the end of the third week.",
     "deadline", "inventory", 3, "weeks"),
    ("The lab manager has 12 days to answer a safety query.",
     "deadline", "safety query", 12, "days"),
    ("Within 30 minutes of the alarm, the warden must complete the roll call.",
     "deadline", "roll call", 30, "minutes"),
    ("A travel claim is due within 45 days of a journey.", "deadline", "travel claim", 45, "days"),
    ("No more than 14 days may pass between the request and the site visit.",
     "deadline", "site visit", 14, "days"),
    ("An appeal must not be lodged later than 28 days after the decision.",
     "deadline", "appeal", 28, "days"),
    ("The time limit for the data request is one month.", "deadline", "data request", 1, "months"),
    ("If a key is lost, the holder must make a loss report within two hours.",
     "deadline", "loss report", 2, "hours"),
    ("Staff are required to submit the expense form not later than 10 working days after travel.",
     "deadline", "expense form", 10, "working days"),
    # maximum
    ("A carry-on bag must not exceed 8 kilograms.", "maximum", "carry-on bag", 8, "kilograms"),
    ("No locker may hold more than twenty-five books.", "maximum", "locker", 25, "books"),
    ("Residents may keep at most 2 bicycles in the bicycle shed.", "maximum", "bicycles", 2, None),
    ("The garden fence shall be no higher than 2 metres.", "maximum", "garden fence", 2, "metres"),
    ("A visitor may borrow up to 6 films.", "maximum", "films", 6, "films"),
    ("The maximum weight of a parcel is 30 kilograms.", "maximum", "parcel", 30, "kilograms"),
    ("The deposit may not be more than 900 euros.", "maximum", "deposit", 900, "euros"),
    ("Lifts are limited to 9 persons.", "maximum", "lifts", 9, "persons"),
    ("A noise level above 55 decibels is not permitted.", "maximum", "noise level", 55, "decibels"),
    ("Not more than 40 litres of solvent may be stored in a cabinet.",
     "maximum", "solvent", 40, "litres"),
    ("A guest shall not stay for longer than 3 nights.", "maximum", "guest", 3, "nights"),
    ("The bonfire must be 4 metres wide or less.", "maximum", "bonfire", 4, "metres"),
    # minimum
    ("A handrail must be at least 90 centimetres high.", "minimum", "handrail", 90, "centimetres"),
    ("The crew shall carry no fewer than 4 life jackets.", "minimum", "life jackets", 4, None),
    ("A balcony door must not be narrower than 80 centimetres.",
     "minimum", "balcony door", 80, "centimetres"),
    ("Every kennel needs a minimum of 3 square metres.",
     "minimum", "kennel", 3, "square metres"),
    ("Hedges must be planted 2 metres apart.", "minimum", "hedges", 2, "metres"),
    ("Records must be kept for seven years.", "minimum", "records", 7, "years"),
    ("The fridge temperature may not fall below 2 degrees.",
     "minimum", "fridge temperature", 2, "degrees"),
    ("No drone may come closer than 50 metres to the mast.", "minimum", "drone", 50, "metres"),
    ("Gloves of not less than 300 grams shall be worn.", "minimum", "gloves", 300, "grams"),
]  # fmt: skip

DEEDS = [
    ("Smoking is prohibited in the archive.", "prohibition", "smoking"),
    ("Open flames are strictly forbidden.", "prohibition", "open flames"),
    ("No person may light a camp fire.", "prohibition", "camp fire"),
    ("Employees must not share a door code.", "prohibition", "door code"),
    ("It is an offence to sell a counterfeit ticket.", "prohibition", "counterfeit ticket"),
    ("It is forbidden to feed the ducks.", "prohibition", "ducks"),
    ("Residents are not allowed to sublet a garage.", "prohibition", "garage"),
    ("Never leave a gas bottle in the sun.", "prohibition", "gas bottle"),
    ("Nobody may bring a glass bottle to the pool.", "prohibition", "glass bottle"),
    ("There shall be no ball games.", "prohibition", "ball games"),
    ("Drivers are prohibited from using a hand phone.", "prohibition", "hand phone"),
    ("Under no circumstances may a fire door be wedged open.", "prohibition", "fire door"),
    ("The use of drones is not permitted.", "prohibition", "drones"),
    ("No person may swim in the reservoir.", "prohibition", "swimming"),
    ("Members must refrain from private trading.", "prohibition", "private trading"),
    ("Members may use the reading lamp.", "permission", "reading lamp"),
    ("Guide dogs are allowed in every room.", "permission", "guide dogs"),
    ("Tenants are free to paint an inner wall.", "permission", "inner wall"),
    ("It is permitted to pick wild berries.", "permission", "wild berries"),
    ("A second key may be ordered.", "permission", "second key"),
]

EXCEPTIONS = [
    ("No dog may enter unless the owner holds a pass.", "the owner holds a pass"),
    ("Unless a guard is present, no visitor may open the vault.", "a guard is present"),
    ("Fishing is prohibited, except when the lake is drained.", "the lake is drained"),
    ("Parking is forbidden save where the warden has agreed.", "the warden has agreed"),
    ("Cycling is prohibited. This does not apply if the road is closed.", "the road is closed"),
    ("Cycling is prohibited. The rule is lifted while the fair is on.", "the fair is on"),
    ("Cycling is prohibited. An exception is made where a child is ill.", "a child is ill"),
    ("Cycling is prohibited. When the gate is open, the rule does not hold.", "the gate is open"),
    ("Only staff may use the service lift.", "it concerns staff"),
    ("The archive may be opened only when a curator is present.", "a curator is present"),
    ("Photography is prohibited except with the permission of the curator.",
     "with the permission of the curator"),
    ("Photography is prohibited except for the press.", "it concerns the press"),
]  # fmt: skip

LEGAL_WORDS = (
    "no", "person", "may", "must", "not", "within", "3", "days", "of", "the", "unless", "except",
    "when", "a", "grave", "breach", "is", "means", "section", "4.2", "shall", "be", "paid", "fine",
    "crowns", "(", ")", ";", ",", ".", "at", "least", "only", "if", "\n",
)  # fmt: skip

NO_NORMS = [
    "The harbour is old.", "It may rain in May 2023.", "The path can be slippery.",
    "This may cause delays.", "The aim is to keep the hall tidy.", "We cannot promise a seat.",
    "Employees shall be considered as residents.", "If the master is required to leave, he goes.",
    "May 5, 2021: the gate was shut.", "This section shall not apply to barges.",
    "The gate must be closed.", "The clerk has 3 sons.", "The walls must be 2.5 metres high.",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "topic", "value", "unit"), LIMITS)
def test_limits(text: str, kind: str, topic: str, value: int, unit: str | None) -> None:
    rule = only(text)
    assert (rule.kind, rule.topic, rule.value) == (kind, topic, value)
    assert unit is None or rule.unit == unit


@pytest.mark.parametrize(("text", "kind", "topic"), DEEDS)
def test_deeds(text: str, kind: str, topic: str) -> None:
    rule = only(text)
    assert (rule.kind, rule.topic, rule.value, rule.unit) == (kind, topic, None, None)


@pytest.mark.parametrize(("text", "exception"), EXCEPTIONS)
def test_exceptions(text: str, exception: str) -> None:
    assert only(text).exception == exception


@pytest.mark.parametrize("text", NO_NORMS)
def test_prose_states_no_norm(text: str) -> None:
    assert read(text).norms == []


def test_a_clause_of_the_invented_codes_reads_back_to_its_rule() -> None:
    missed, total = 0, 0
    for seed in range(150):
        rng = random.Random(seed)
        code = codes.draw_code(rng, 3, definitions=1, used={"none"})
        text = codes.passage(code, code.rules, rng)
        got = read(f"{text}\n{drafting.meaning(code.definitions[0], rng)}", "Part")
        rules = {norm.rule for norm in got.norms}
        grades = {rule.grade for rule in code.rules}
        missed += sum(rule not in rules for rule in code.rules)
        missed += {p.value for p in got.penalties} != {
            p for p in code.penalties if p.grade in grades
        }
        missed += [d.value for d in got.definitions] != list(code.definitions)
        total += len(code.rules) + 2
    assert missed <= 0.01 * total


@pytest.mark.parametrize("domain", ["harbour", "market"])
def test_quotes_are_exact_and_every_rule_of_the_demo_domains_is_graded(domain: str) -> None:
    extracts = []
    for path in sorted((ROOT / "domains" / domain / "documents").glob("*.md")):
        parts = re.split(r"^## (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        extracts += [
            Extract(f"{path.name} {title}", f"Part > {title}", body.strip())
            for title, body in zip(parts[1::2], parts[2::2], strict=True)
        ]
    texts = {extract.id: extract.text for extract in extracts}
    code = read_code(extracts)
    assert 80 <= len(code.norms) <= 95
    assert len({norm.rule.topic for norm in code.norms}) == len(code.norms)
    for norm in code.norms:
        assert (norm.rule.grade is None) == (norm.rule.kind == "permission"), norm.rule
        assert norm.rule.grade is None or code.penalty(norm.rule.grade) is not None
        for quote in norm.quotes:
            assert texts[quote.passage_id][quote.start :].startswith(quote.text)


def test_grade_penalty_and_reference() -> None:
    code = read_code(
        [
            Extract("p-1", "Part 4 > 4.3 Ladders", "A ladder must not exceed 4 metres. The grade "
                    "of a breach is given in section 9.1."),
            Extract("p-2", "Part 4 > 4.5 Ropes", "A rope must be at least 12 metres long. "
                    "Failure to comply is a grave breach (section 9.2)."),
            Extract("p-3", "Part 9 > 9.1 Grades", "A breach of section 4.3 or sections 4.6 to 4.8 "
                    "is a minor breach."),
            Extract("p-4", "Part 9 > 9.2 Fines", "A minor breach costs 50 crowns, a grave one "
                    "300 crowns."),
        ]
    )  # fmt: skip
    assert [norm.rule.grade for norm in code.norms] == ["minor", "grave"]
    assert [norm.section for norm in code.norms] == ["4.3", "4.5"]
    assert code.norms[0].grade_quote is not None
    assert code.norms[0].grade_quote.passage_id == "p-3"
    assert [p.value for p in code.penalties] == [
        Penalty("minor", 50, "crowns"),
        Penalty("grave", 300, "crowns"),
    ]


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("Failure to do so is a serious breach.", "serious"),
        ("Breach of this rule is graded grave (section 9.4).", "grave"),
        ("A breach is extreme; see section 9.5.", "extreme"),
        ("It is a heavy breach to ignore this.", "heavy"),
        ("Whoever breaks this commits a petty breach.", "petty"),
        ("Breaking it counts as slight.", "slight"),
        ("This is a rule of the trivial grade.", "trivial"),
        ("The grade of a breach is second.", "second"),
        ("For the grade of a breach see section 3.10.", None),
        ("It happened in a data breach last year.", None),
    ],
)
def test_forms_of_grades(text: str, grade: str | None) -> None:
    assert only(f"No dog may enter. {text}").grade == grade


def test_sections_of_a_reference() -> None:
    assert section_list("a breach of section 2.8, 4.4 or 5.6") == ("2.8", "4.4", "5.6")
    assert section_list("sections 4.5 to 4.7 and 5") == ("4.5", "4.6", "4.7", "5")
    assert section_list("under § 12 and rule 3.1") == ("12", "3.1")


@pytest.mark.parametrize(
    ("text", "term", "meaning"),
    [
        ('"Short stay" means a stay of under three nights.', "short stay",
         "a stay of under three nights"),
        ('In these rules, "owner" means the person on the deed.', "owner",
         "the person on the deed"),
        ("The term night shift refers to work after ten.", "night shift", "work after ten"),
        ("By quiet hours is meant the time after noon.", "quiet hours", "the time after noon"),
        ('For purposes of this part, the term "child" means: (1) a son.', "child", "(1) a son"),
    ],
)  # fmt: skip
def test_definitions(text: str, term: str, meaning: str) -> None:
    assert [d.value for d in read(text).definitions] == [Definition(term, meaning)]


def test_a_definition_by_a_list() -> None:
    definitions = read('The term "kin" means-\n(1) a child, or\n(2) a parent.').definitions
    assert [d.value for d in definitions] == [Definition("kin", "a child, or a parent")]


def test_lists_with_a_lead() -> None:
    text = "The keeper must not:\n\n- feed the bears;\n- open a cage door.\n\nBears sleep a lot."
    norms = read(text).norms
    assert [norm.rule.topic for norm in norms] == ["bears", "cage door"]
    assert [norm.quotes[0].text for norm in norms] == ["feed the bears;", "open a cage door."]
    rules = [n.rule for n in read("The following are prohibited:\n(a) drones;\n(b) kites.").norms]
    assert [(rule.kind, rule.topic) for rule in rules] == [
        ("prohibition", "drones"),
        ("prohibition", "kites"),
    ]


def test_sentences_survive_abbreviations_and_numbers() -> None:
    text = "Tools, e.g. saws, cost approx. 4.50 each (see no. 7). Mr. J. Holt sells them. Good!"
    assert [s.text for s in split_sentences(text)] == [
        "Tools, e.g. saws, cost approx. 4.50 each (see no. 7).",
        "Mr. J. Holt sells them.",
        "Good!",
    ]
    for sentence in split_sentences(text):
        assert text[sentence.start : sentence.end] == sentence.text


@pytest.mark.parametrize(
    ("text", "number"),
    [("21", 21), ("1,200", 1200), ("twenty-five", 25), ("a hundred and ten", 110),
     ("third", 3), ("5th", 5), ("two dozen", 24), ("15 thousand", 15000), ("2.5", None)],
)  # fmt: skip
def test_numbers(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_a_limit_depends_on_the_mood() -> None:
    clause = " be removed within 24 hours of arrival"
    duty, ban = find_limit(clause, "duty"), find_limit(clause, "negative")
    assert duty is not None and duty.kind == "deadline"
    assert ban is not None and ban.kind == "minimum"


def test_stems_join_forms_of_a_word() -> None:
    assert stem("mooring") == stem("moored") == stem("moors")
    assert stem("paid") == stem("pays") == stem("paying")
    assert stem("gas") != stem("ga")


@given(
    st.text(alphabet=st.sampled_from("aA. ,;:()\n-*|#\"'§$%1234567890mustnayble "), max_size=400)
)
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_parser(text: str) -> None:
    code = read(text)
    for norm in code.norms:
        assert all(quote.text in text for quote in norm.quotes)


@given(
    st.lists(
        st.sampled_from(LEGAL_WORDS),
        max_size=120,
    )
)
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_legal_words_breaks_the_parser(words: list[str]) -> None:
    text = " ".join(words)
    for norm in read(text).norms:
        assert all(quote.text in text for quote in norm.quotes)


@pytest.mark.parametrize(
    "piece",
    ["must not ", "no more than 3 ", "unless when except ", "(section 4.3) ", "a " * 50 + "of ",
     "section 1, 2, 3 and 4 ", "the term \" means ", "fine of 3 crowns for a breach, "],
)  # fmt: skip
def test_long_passages_take_no_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.process_time()
    read_passage(Extract("p-long", "Part", text))
    assert time.process_time() - start < 5
