"""The card of what a run trained: what the hub reads, what people read, and nothing that breaks."""

from dataclasses import replace

import yaml
from hypothesis import given
from hypothesis import strategies as st

from elenchus.front_matter import read_front_matter
from elenchus.results import Estimate, RunVerdict
from models.bases import Base
from publishing.model_card import card, front_matter
from tests.publishing.making import FACTS


def test_front_matter_is_what_the_hub_reads() -> None:
    assert front_matter(FACTS) == {
        "base_model": "owner/model",
        "base_model_relation": "adapter",
        "base_model_revision": "abc1234",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "license": "apache-2.0",
        "language": ["de"],
        "datasets": ["owner/laws"],
        "tags": ["elenchus", "lora"],
    }


def test_a_base_that_the_hub_has_not_is_not_named_to_it() -> None:
    facts = replace(FACTS, base=Base("my model"), kind="model", language="Klingon", datasets=())
    assert front_matter(facts) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "unknown",
        "tags": ["elenchus"],
    }
    assert "no card beside its weights names one" in card(facts)


def test_figures_stand_with_intervals_and_chance_beside_them() -> None:
    shares = "25.0% [10.0%, 40.0%] | 75.0% [60.0%, 90.0%] | +50.0 [+30.0, +70.0]"
    text = card(FACTS)
    assert f"| held-out exam | 40 | {shares} | 35.0% |" in text and "hand-written" not in text
    assert "**Verdict: better**" in text and "- The change is +50.0 points." in text


def test_a_card_before_the_end_promises_no_figure() -> None:
    text = card(replace(FACTS, exams={}, verdict=None, last=None))
    assert "The run is under way" in text and "Verdict" not in text
    assert "It was not examined" in text


def test_loading_names_the_base_its_revision_and_room_for_the_rank() -> None:
    text = card(FACTS)
    assert 'base = "owner/model"' in text and 'revision="abc1234"' in text
    assert "vllm serve owner/model --enable-lora --max-lora-rank 16" in text


def test_a_classifier_shows_measures_and_its_classes() -> None:
    facts = replace(
        FACTS, kind="classifier", labels=("spam", "ham"),
        measures={"accuracy": Estimate(value=0.9, low=0.8, high=1.0), "macro F1": None},
    )  # fmt: skip
    text = card(facts)
    assert front_matter(facts)["pipeline_tag"] == "text-classification"
    assert "| accuracy | 0.900 [0.800, 1.000] |" in text and "| macro F1 | – |" in text
    assert "num_labels=2" in text and '    ["spam", "ham"]' in text
    assert "random would be right in 50.0%" in text


ANY = st.text(max_size=80) | st.sampled_from(
    ["\n# Title\n", "---\na: b\n---", "<script>", "```\n", "|"]
)


@given(ANY, ANY, ANY, ANY)
def test_no_text_of_others_changes_what_a_card_is(
    title: str, prompt: str, language: str, reason: str
) -> None:
    verdict = RunVerdict(word="worse", reasons=[reason])
    facts = replace(FACTS, title=title, prompt=prompt, language=language, verdict=verdict)
    matter, body = read_front_matter(card(facts))
    _, usual = read_front_matter(card(FACTS))
    assert matter["license"] == "apache-2.0" and yaml.safe_dump(matter)
    assert _headings(body) == _headings(usual)
    assert "<script" not in "".join(x for x in body.splitlines() if not x.startswith("    "))


def _headings(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.startswith("## ") or line.startswith("```")]
