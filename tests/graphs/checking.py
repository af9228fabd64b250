"""Questions, passages, points and answers for tests of checks."""

from elenchus.records import Answer, Citation, Form, Passage, Point, Question


def a_question(text: str = "How long may a boat stay?", kind: str = "apply") -> Question:
    return Question(
        text=text, kind=kind, exam=False, point_id="o", passage_ids=(), round=1, call_id="m"
    )


def passage(text: str) -> Passage:
    return Passage(document_id="d", source="s", start=0, end=1, heading=(), text=text)


STAY, FEE, PAINT = map(passage, ("A boat stays 14 days.", "Later it pays 2 crowns.", "It is red."))


def a_point(*places: Passage) -> Point:
    grounds = tuple(Citation(passage_id=p.id, quote=p.text) for p in places)
    return Point(sort="rule", statement="s", topic="t", grounds=grounds, kinds=("recall",))


def an_answer(
    *cited: Passage, result: str = "14 days", form: Form = "number", abstained: bool = False
) -> Answer:
    return Answer(
        text=f"Boats may stay for two weeks.\nAnswer: {result}",
        explanation="Boats may stay for two weeks.",
        result=result,
        form=form,
        citations=tuple(Citation(passage_id=p.id, quote=p.text) for p in cited),
        abstained=abstained,
        call_id="m",
        tokens=1,
    )
