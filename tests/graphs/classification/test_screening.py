"""Names that may be somebody's: told by their spelling alone."""

from graphs.classification.screening import names


def test_names_are_capitals_inside_of_a_sentence() -> None:
    texts = ["Please help Anna Bell with it.", "where is Lloyds, in York?", "My Card is lost"]
    assert names([*texts, "this card"]) == {"Anna Bell", "Lloyds", "York"}


def test_words_that_also_stand_in_lower_case_are_none() -> None:
    assert names(["is the Card here", "the card"]) == set()


def test_what_i_am_is_no_name() -> None:
    assert names(["well, I've lost it and I'm sorry, I’ll call"]) == set()


def test_other_scripts_and_emoji_have_none() -> None:
    assert names(["أين بطاقتي", "💳 where??", ""]) == set()
