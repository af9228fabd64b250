"""How the skills of the nano are measured and compared with their targets."""

from offline.nano import skills


def test_skills_are_measured_and_compared_with_their_targets() -> None:
    oracle = {}
    for clauses, style in ((1, "exam"), (3, "exam"), (1, "novel"), (3, "novel")):
        for kind in skills.KINDS:
            for messages, gold in skills.open_book(5, clauses, style, kind, 2):
                oracle[messages[0]["content"]] = gold
    for style in ("exam", "novel"):
        oracle |= {m[0]["content"]: gold for m, gold in skills.known(500, style, 2)}

    def answers(chats: list[list[dict[str, str]]]) -> list[str]:
        return [oracle.get(chat[0]["content"], "So: breach.") for chat in chats]

    measured = skills.measure(answers, 5)
    assert measured["one clause of three, novel forms"]["multi"] == 1.0
    assert skills.shortfalls(measured) == []
    assert "| one clause of three, exam forms | 100.0 |" in skills.table(measured)
    blank = skills.measure(lambda chats: [""] * len(chats), 5)
    assert any("right clause alone" in line for line in skills.shortfalls(blank))
