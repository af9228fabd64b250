"""The verdict on classifiers: which mix of messages to take, and whether synthetic ones help.

Each mix is compared with the real messages alone, message by message, for the model that is right
most often. Synthetic messages are taken where they are better beyond chance; else the real ones
alone, in which nothing is made up.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from elenchus.config import VerdictConfig
from elenchus.results import Estimate, RunVerdict
from graphs.classification.evaluate import UNTRAINED, Evaluation
from graphs.classification.result import Take
from graphs.verdicts import CHANCE, by_interval
from training.metrics import paired_difference

REAL = "real"
MESSAGES = {
    REAL: "the real messages alone",
    "synthetic": "the synthetic messages alone",
    "hybrid": "real and synthetic messages together",
}


class Reference(NamedTuple):
    """What mixes are compared with: the mix that it is, or "", and where it is right."""

    mix: str
    name: str
    right: Sequence[bool]


def decide(
    evaluations: Sequence[Evaluation], labels: Sequence[str], limits: VerdictConfig
) -> tuple[RunVerdict, Take | None]:
    """Return the verdict, and the classifier to take; `labels` are those of the test messages."""
    trained = [one for one in evaluations if one.mix != UNTRAINED]
    if not trained:
        reason = "No mix has a message of every class, so there is no classifier."
        return RunVerdict(word="not to be trusted", reasons=[reason]), None
    model = max(trained, key=lambda one: one.metrics.accuracy.value).model
    mixes = {one.mix: one for one in trained if one.model == model}
    reference = _reference(evaluations, mixes, labels)
    differences = {
        mix: paired_difference(reference.right, one.right)
        for mix, one in mixes.items()
        if mix != reference.mix
    }
    best = max(differences, key=lambda mix: (differences[mix].low > 0, differences[mix].value))
    word = by_interval(differences[best])
    mix = REAL if reference.mix == REAL and word != "better" else best
    accuracy = mixes[mix].metrics.accuracy.as_share()
    reasons = [f"Take {MESSAGES[mix]}, with {model}: {accuracy} right."]
    reasons += [_compared(other, one, reference.name) for other, one in differences.items()]
    if (count := len(labels)) < limits.least_questions:
        few = f"{count} test messages are too few to tell anything"
        reasons.insert(0, f"{few} (verdict.least_questions is {limits.least_questions}).")
        word = "not to be trusted"
    verdict = RunVerdict(word=word, reasons=reasons, gain=differences[best])
    return verdict, Take(mix=mix, model=model)


def _compared(mix: str, difference: Estimate, reference: str) -> str:
    """Return a sentence on how a mix compares."""
    judged = CHANCE[by_interval(difference)]
    said = f"{MESSAGES[mix]} against {reference}: {difference.as_gain()} points, {judged}."
    return said[0].upper() + said[1:]


def _reference(
    evaluations: Sequence[Evaluation], mixes: Mapping[str, Evaluation], labels: Sequence[str]
) -> Reference:
    """Return what mixes are compared with.

    Real messages alone, where there is another mix; else the untouched model; else, where that
    classifies nothing, always the commonest class.
    """
    if REAL in mixes and len(mixes) > 1:
        return Reference(REAL, MESSAGES[REAL], mixes[REAL].right)
    model = next(iter(mixes.values())).model
    for one in evaluations:
        if (one.mix, one.model) == (UNTRAINED, model):
            return Reference("", "the student before any training", one.right)
    ((commonest, _),) = Counter(labels).most_common(1)
    right = [label == commonest for label in labels]
    return Reference("", f"always saying {commonest}", right)
