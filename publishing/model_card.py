"""The card of what a run trained: a pure function of the facts, in the form that the hub reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from elenchus import front_matter as front
from elenchus.languages import code_of
from elenchus.licences import on_hub
from elenchus.printing import printable
from elenchus.results import Estimate, ExamResult, RunVerdict
from models.bases import Base
from publishing import markdown
from publishing.loading import how_to_load
from publishing.markdown import inline

Kind = Literal["adapter", "model", "classifier"]
TASKS = {"adapter": "text-generation", "model": "text-generation"}
NOUNS = {
    "adapter": "A LoRA",
    "model": "A whole model",
    "classifier": "A LoRA with the head of a classifier",
}


@dataclass(frozen=True)
class Facts:
    """What a card of an adapter, a whole model or a classifier tells.

    Attributes:
        name: of the folder, such as round-2.
        title: what the documents are, in a line.
        language: its English name.
        learnt: what it learnt from, in sentences.
        settings: of the training, as they are shown.
        exams: what each came to before and after, by the name that is shown; None where there is
            none, and empty where it is not examined yet.
        word: what was left of the untouched student's answers, in a sentence; "" where unknown.
        measures: of a classifier, in the order of a table's columns.
        verdict: on the run, where this is what it ended with.
        datasets: ids on the hub of what its documents came from.
        prompt: the system prompt that its examples begin with; "" where they have none.
        rank: of the LoRA; 0 for a whole model.
        labels: classes of a classifier.
        last: whether the run ended with it; None while the run is under way.
    """

    kind: Kind
    run: str
    name: str
    title: str
    language: str
    base: Base
    learnt: str
    settings: Mapping[str, str]
    exams: Mapping[str, ExamResult | None] = field(default_factory=dict)
    word: str = ""
    measures: Mapping[str, Estimate | None] = field(default_factory=dict)
    verdict: RunVerdict | None = None
    datasets: Sequence[str] = ()
    prompt: str = ""
    rank: int = 0
    labels: Sequence[str] = ()
    last: bool | None = None


def card(facts: Facts) -> str:
    """Return the README.md of a folder that a run trained."""
    parts = [
        markdown.titled(facts.title, f"{inline(facts.name)} of run {facts.run}"),
        _what(facts),
        _standing(facts),
        f"## What it learnt\n\n{facts.learnt}",
        f"## Figures\n\n{_figures(facts)}",
        f"## Training\n\n{_settings(facts)}",
        f"## How to load it\n\n{_loaded(facts)}\n\n{_asked(facts)}",
        f"## Limits\n\n{markdown.listed(_limits(facts), '')}",
    ]
    body = "\n\n".join(part.strip() for part in parts if part.strip())
    return f"{front.front_matter(front_matter(facts))}\n{body}\n"


def front_matter(facts: Facts) -> dict[str, Any]:
    """Return what the hub reads; the base is named only where the hub has it."""
    base, matter = facts.base, dict[str, Any]()
    if base.on_hub:
        matter["base_model"] = base.name
        matter["base_model_relation"] = "finetune" if facts.kind == "model" else "adapter"
        if base.revision:
            matter["base_model_revision"] = base.revision
    matter["library_name"] = "transformers" if facts.kind == "model" else "peft"
    matter["pipeline_tag"] = TASKS.get(facts.kind, "text-classification")
    matter |= on_hub(base.licence or None)
    if code := code_of(facts.language):
        matter["language"] = [code]
    if facts.datasets:
        matter["datasets"] = list(facts.datasets)
    tags = ["elenchus"] if facts.kind == "model" else ["elenchus", "lora"]
    return matter | {"tags": tags}


def _what(facts: Facts) -> str:
    base = facts.base
    known = f"`{base.name}`" if base.on_hub else f"`{base.name}`, which is not on the hub"
    if base.revision:
        known += f" at revision `{base.revision}`"
    licence = (
        f"The licence of that model is {inline(base.licence)}."
        if base.licence
        else "The licence of that model is unknown: no card beside its weights names one. Ask "
        "whoever made it before you pass this on."
    )
    text = f"{NOUNS[facts.kind]} on {known}. {licence}"
    return f"{text} {base.remark}".strip()


def _standing(facts: Facts) -> str:
    """Return the verdict; of what a run did not end with, that it has none."""
    if facts.last is None:
        return "The run is under way: figures come when it ends."
    if not facts.last:
        return "The run went on from here: the verdict on it is in the card of its last round."
    return f"## Verdict\n\n{markdown.verdict_in_markdown(facts.verdict)}"


def _figures(facts: Facts) -> str:
    if facts.kind == "classifier":
        return _measures(facts)
    rows = [_row(name, taken) for name, taken in facts.exams.items() if taken is not None]
    if not rows:
        return "It was not examined."
    head = ["exam", "questions", "before", "after", "change in points", "commonest answer"]
    told = [
        markdown.table(head, rows),
        "Shares of right answers with 95 % intervals, those of the change over questions that were "
        "asked before and after. The last column is chance: what always giving the commonest "
        "answer would score. The general exam asks what the student could do before: a loss there "
        "is forgetting.",
        facts.word,
    ]
    return "\n\n".join(part.strip() for part in told if part)


def _row(name: str, taken: ExamResult) -> list[object]:
    return [
        inline(name),
        taken.questions,
        _share(taken.before),
        _share(taken.after),
        taken.gain.as_gain() if taken.gain else "–",
        "–" if taken.constant is None else f"{taken.constant:.1%}",
    ]


def _share(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.as_share()} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _measures(facts: Facts) -> str:
    if not facts.measures:
        return "It was not measured."
    rows = [
        [name, "–" if e is None else f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"]
        for name, e in facts.measures.items()
    ]
    chance = f"{1 / len(facts.labels):.1%}" if facts.labels else "–"
    return (
        f"{markdown.table(['measure', 'value'], rows)}\n"
        "On real messages that it never saw, with 95 % intervals. Drawing one of its "
        f"{len(facts.labels)} classes at random would be right in {chance}."
    )


def _settings(facts: Facts) -> str:
    rows = [[inline(name), inline(value)] for name, value in facts.settings.items()]
    return markdown.table(["setting", "value"], rows)


def _loaded(facts: Facts) -> str:
    return how_to_load(facts.kind, facts.base, facts.rank, len(facts.labels)).strip()


def _asked(facts: Facts) -> str:
    """Return how it is asked: what it was trained with stands before a question."""
    if facts.kind == "classifier":
        labels = json.dumps(list(facts.labels), ensure_ascii=False)
        return (
            "`classifier.json` has the classes in the order of the logits, what stands before and "
            "after a message, the temperature that divides the logits, and the threshold of the "
            f"first of two classes. The classes:\n\n{_block(labels)}"
        )
    if not facts.prompt:
        return ""
    return (
        "Its examples begin with this system prompt, and so do the questions of its exams; with "
        f"another one it may know less:\n\n{_block(facts.prompt)}"
    )


def _block(text: str) -> str:
    """Return a text as an indented block: whatever stands in it, nothing in it ends the block."""
    return "\n".join(f"    {line}".rstrip() for line in printable(text).strip().splitlines())


def _limits(facts: Facts) -> list[str]:
    limits = [
        "It can be wrong, and sounds sure where it is. What it says of these documents is no "
        "substitute for reading them.",
        "It learnt from what models wrote on the documents as they stood: of later changes it "
        "knows nothing.",
    ]
    if facts.kind == "classifier":
        limits[0] = (
            "It can be wrong. Its probabilities are calibrated on messages like those it was "
            "measured on, and on no others."
        )
    else:
        limits.append(
            f"The figures are of questions in {inline(facts.language)}, and of no others."
        )
    if not facts.base.on_hub and facts.kind != "model":
        limits.append("Only those who have the base model's weights can use it.")
    return limits
