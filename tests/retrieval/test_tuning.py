"""Settings of search are chosen on one half of the questions, and judged on the other."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Passage
from retrieval.embedding import Embedder
from retrieval.search import Search
from retrieval.store import Store
from retrieval.tuning import DEEPEST, LEAST, Asked, Settings, tune

THINGS = [
    "anchor",
    "barge",
    "crane",
    "dredger",
    "engine",
    "ferry",
    "gangway",
    "hawser",
    "inlet",
    "jetty",
    "keel",
    "lamp",
    "mast",
    "net",
    "oar",
    "pilot",
    "quay",
    "rope",
    "sail",
    "tug",
    "wharf",
    "winch",
    "yacht",
    "buoy",
    "chain",
    "dock",
    "fender",
    "galley",
    "hatch",
    "ladder",
]
PRESENT = Settings(0.3, (0.9, 0.9), 24)  # neighbours that drown what is found


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    config = RetrievalConfig(candidates=DEEPEST)
    passages = [
        Passage(document_id="a", source="a", start=n, end=n + 1, heading=(),
                text=f"Rule {n}. The {thing} must be looked after by its keeper at all times.")
        for n, thing in enumerate(THINGS)
    ]  # fmt: skip
    with closing(
        Store("tuning", tmp_path_factory.mktemp("store"), config, Embedder("minilm"))
    ) as store:
        store.hold(passages, unseen)
        yield Search(passages, store, config)


def asked(search: Search) -> list[Asked]:
    places = {p.text.split()[3]: i for i, p in search._passages.items()}
    return [Asked(f"Who looks after the {t}?", frozenset({places[t]})) for t in THINGS]


def test_what_is_better_on_the_other_half_is_taken(search: Search) -> None:
    tuned = tune(search, asked(search), PRESENT)
    assert tuned.taken == tuned.chosen != PRESENT
    assert tuned.questions == len(THINGS) // 2
    quality = tuned.quality
    assert quality["chosen"].mrr == 1.0 > quality["present"].mrr
    assert quality["chosen"].mean >= max(quality["dense"].mean, quality["lexical"].mean)


def test_what_is_best_already_stays(search: Search) -> None:
    best = tune(search, asked(search), PRESENT).chosen
    assert tune(search, asked(search), best).taken == best


def test_questions_in_another_order_choose_the_same(search: Search) -> None:
    assert tune(search, asked(search)[::-1], PRESENT) == tune(search, asked(search), PRESENT)


def test_too_few_questions_are_refused(search: Search) -> None:
    with pytest.raises(UserError, match=f"{LEAST} are needed"):
        tune(search, asked(search)[: LEAST - 1], PRESENT)
