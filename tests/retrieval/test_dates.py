"""The title of a document and the date that it states: on each of its passages."""

import pytest

from elenchus.records import Document, Passage
from retrieval.dates import OPENING, stated_date, with_titles


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("# Fees\n\nDate: 2021-03-09\n", "2021-03-09"),
        ("Fees, effective 1 March 2020, as agreed.", "1 March 2020"),
        ("Effective date: 9. October 2020", "9. October 2020"),
        ("Last updated on March 2, 2019.", "March 2, 2019"),
        ("Version 2.1 of May 2018", "May 2018"),
        ("IN FORCE SINCE 12 JUNE 2011", "12 JUNE 2011"),
        ("Published: July 2001. Last revised: June 2004.", "July 2001"),
        ("As of 2024-01-01 the fee is 4.", "2024-01-01"),
        # A date that is told of is not the document's.
        ("The storm of 12 June 2011 sank two boats.", ""),
        ("A boat must be dated.\n2019-01-01 was a holiday.", ""),
        ("Updated rules are sold at the desk, on the hill, since May 2018.", ""),
        ("Backdated 2019-01-01", ""),
        ("Date: soon", ""),
        ("", ""),
    ],
)
def test_a_date_is_what_a_document_states_of_itself(text: str, date: str) -> None:
    assert stated_date(text) == date


def test_a_date_is_stated_at_the_head() -> None:
    late = "x" * OPENING + " Date: 2021-03-09"
    assert stated_date(late) == ""
    assert stated_date(late[10:]) == ""  # not in part, either
    assert stated_date(late[len(" Date: 2021-03-09") :]) == "2021-03-09"


def test_passages_have_title_and_date_of_their_document() -> None:
    old, new = (
        Document(source=f"{n}.md", title=f"Fees {n}", text=f"Date: {n}-01-01") for n in (2019, 2021)
    )
    passages = [
        Passage(document_id=place, source="s", start=0, end=1, heading=(), text=text)
        for place, text in ((new.id, "a"), (old.id, "b"), (new.id, "c"), ("d-gone", "d"))
    ]
    titled = with_titles(passages, [old, new])
    assert [(p.text, p.title, p.date) for p in titled] == [
        ("a", "Fees 2021", "2021-01-01"),
        ("b", "Fees 2019", "2019-01-01"),
        ("c", "Fees 2021", "2021-01-01"),
        ("d", "", ""),
    ]
    assert [p.id for p in titled] == [p.id for p in passages]
