"""Decisions of people on examples: kept as records, obeyed by every dataset chosen afterwards.

A decision is on texts, not on an id, so that another run that makes the same example knows it.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from agents.quotes import quoted
from elenchus.errors import UserError
from elenchus.ledger import Ledger
from elenchus.outcomes import ACTIONS, Action, Correction, Dataset, Decision, Example
from elenchus.questions import AnswerForm
from elenchus.records import Citation, Message, Passage, Turn, digest
from elenchus.results import Estimate
from graphs.adaptation.result import ReviewResult

LOCK = "review.lock"  # beside the ledger
Order = Literal["doubt", "random"]
Texts = tuple[str, str]  # of a question and its answer


class Case(NamedTuple):
    """An example under review, and what was decided on it last.

    `spread` is that of the verdict on the student's answers, `likelihood` the expert's of its own
    answer; 0 where they are not known.
    """

    example: Example
    decision: Decision | None
    spread: float = 0.0
    likelihood: float = 0.0


def newest(ledger: Ledger) -> Dataset | None:
    """Return the dataset of the latest round, as people left it; None before the first."""
    datasets = ledger.all(Dataset)
    revised = {dataset.revises for dataset in datasets}
    left = [dataset for dataset in datasets if dataset.id not in revised]
    return max(left, key=lambda dataset: dataset.round, default=None)


def cases(ledger: Ledger, order: Order = "doubt") -> list[Case]:
    """Return the examples of the newest dataset, with those of the run that people rejected.

    Args:
        order: by doubt come first those whose answers of the student differ most in worth, then
            those that the expert held least likely. In the random order, which stays the same, the
            first n are a sample that speaks for all.
    """
    chosen = sorted(
        (dataset for dataset in ledger.all(Dataset) if not dataset.revises),
        key=lambda dataset: dataset.round,
    )
    if not chosen:
        return []
    latest, by_id = _latest(ledger), {example.id: example for example in ledger.all(Example)}
    # What was rejected in an earlier round is in no dataset chosen since.
    before = dict.fromkeys(i for dataset in chosen[:-1] for i in dataset.example_ids)
    rejected = [i for i in before if _is_rejected(latest.get(_texts(by_id[i])))]
    ids = dict.fromkeys((*chosen[-1].example_ids, *rejected))
    outcomes = {_outcome(d): d for d in latest.values() if d.corrected is not None}
    doubts = ledger.fields(Turn, "$.verdict.spread", "$.expert[0].likelihood")
    made = []
    for example_id in ids:
        example = by_id[example_id]
        decided = latest.get(_texts(example)) or outcomes.get(_texts(example))
        spread, likelihood = doubts[example.turn_id]
        made.append(Case(example, decided, spread or 0.0, likelihood or 0.0))
    return sorted(made, key=_doubt if order == "doubt" else _drawn)


def decide(
    ledger: Ledger,
    form: AnswerForm,
    example: Example,
    action: Action,
    reviewer: str,
    reason: str = "",
    sampled: bool = False,
    corrected: Correction | None = None,
) -> Decision:
    """Write down what a person decided on an example, and return it.

    Raises:
        UserError: nobody's name is given, a correction changes nothing or is no answer in the
            domain's form, or it quotes what the passage does not say.
    """
    corrected = check(ledger, form, example, action, reviewer, corrected)
    with ledger.alone(LOCK):  # two people may decide at once
        decision = Decision(
            number=ledger.count(Decision) + 1,
            example_id=example.id,
            action=action,
            reviewer=reviewer.strip(),
            question=example.prompt[-1].content,
            completion=example.completion,
            reason=reason.strip(),
            sampled=sampled,
            corrected=corrected,
        )
        ledger.write(decision)
    return decision


def check(
    ledger: Ledger,
    form: AnswerForm,
    example: Example,
    action: str,
    reviewer: str,
    corrected: Correction | None,
) -> Correction | None:
    """Return a correction with exact quotes, None of another decision; UserError as of `decide`."""
    if not reviewer.strip():
        raise UserError("a decision needs the name of the person who takes it")
    if (action == "correct") != (corrected is not None):
        raise UserError("a correction, and nothing else, comes with a question and an answer")
    return corrected and _checked(ledger, form, example, corrected)


def obeyed(ledger: Ledger, form: AnswerForm, examples: Sequence[Example]) -> list[Example]:
    """Return examples as people left them: without the rejected, the corrected ones corrected."""
    latest = _latest(ledger)
    left = (_followed(ledger, form, example, latest) for example in examples)
    return [example for example in left if example is not None]


def revised(ledger: Ledger, form: AnswerForm, dataset: Dataset) -> Dataset:
    """Return a dataset as people left it; its last revision, or itself, where that is as it is.

    Corrected examples are written down.
    """
    by_id = {example.id: example for example in ledger.all(Example)}
    left = obeyed(ledger, form, [by_id[i] for i in dataset.example_ids])
    ids = tuple(example.id for example in left)
    # A kill may have come after an earlier revision, which is then revised in turn.
    by_revised = {one.revises: one for one in ledger.all(Dataset)}
    earlier = dataset
    while earlier.id in by_revised:
        earlier = by_revised[earlier.id]
    if earlier.example_ids == ids:
        return earlier
    ledger.write(*left)
    return dataset.model_copy(update={"example_ids": ids, "revises": earlier.id})


def corrections(ledger: Ledger) -> dict[Texts, Correction]:
    """Return the corrections that hold, by the texts that they leave."""
    latest = _latest(ledger).values()
    return {_outcome(one): one.corrected for one in latest if one.corrected is not None}


def summary(reviewed: Sequence[Case]) -> ReviewResult | None:
    """Count decisions, and estimate how many examples are wrong; None before the first decision.

    What is corrected or rejected was wrong. The rate is that of all examples where all are decided
    on, else of the sample (`_sample`), with Wilson's interval (1927); None without one.
    """
    decisions = [case.decision for case in reviewed if case.decision is not None]
    if not decisions:
        return None
    count = {action: sum(d.action == action for d in decisions) for action in ACTIONS}
    complete = len(decisions) == len(reviewed)
    sample = decisions if complete else _sample(reviewed)
    wrong, rate = sum(d.action != "accept" for d in sample), None
    if sample:
        from scipy import stats  # slow to import, and whoever only reads a run wants none of it

        share = wrong / len(sample)
        low, high = stats.binomtest(wrong, len(sample)).proportion_ci(method="wilson")
        interval = (share, share) if complete else (float(low), float(high))
        rate = Estimate(value=share, low=interval[0], high=interval[1])
    return ReviewResult(
        examples=len(reviewed),
        accepted=count["accept"],
        corrected=count["correct"],
        rejected=count["reject"],
        sampled=len(sample),
        wrong=rate,
        reviewers=sorted({d.reviewer for d in decisions}),
    )


def in_words(review: ReviewResult | None) -> str:
    """Say what people decided, and how many examples may be wrong."""
    if review is None:
        return "No person has reviewed the examples."
    looked = review.accepted + review.corrected + review.rejected
    done = (
        f"{', '.join(review.reviewers)} reviewed {looked} of {review.examples} examples: "
        f"{review.accepted} accepted, {review.corrected} corrected, {review.rejected} rejected."
    )
    if review.wrong is None:
        return f"{done} None was drawn at random, so nothing is known of the others."
    if looked == review.examples:
        return f"{done} {review.wrong.as_share()} were wrong before."
    wrong = review.wrong
    interval = f"{wrong.as_share()} [{wrong.low:.1%}, {wrong.high:.1%}]"
    return f"{done} Of {review.sampled} drawn at random, {interval} were wrong."


def _sample(reviewed: Sequence[Case]) -> list[Decision]:
    """Return the decisions on the first examples in the random order, up to one that has none.

    Those that were taken in the order of doubt count among them: the others alone would be a sample
    of what is little in doubt. After the last that was drawn, all were, so they are left out.
    """
    in_turn = (case.decision for case in sorted(reviewed, key=_drawn))
    first = [d for d in itertools.takewhile(lambda one: one is not None, in_turn) if d is not None]
    while first and not first[-1].sampled:
        first.pop()
    return first


def _latest(ledger: Ledger) -> dict[Texts, Decision]:
    """Return the decision that holds, by the texts that it is on."""
    decisions = sorted(ledger.all(Decision), key=lambda d: (d.number, d.id))
    return {(d.question, d.completion): d for d in decisions}


def _is_rejected(decision: Decision | None) -> bool:
    return decision is not None and decision.action == "reject"


def _texts(example: Example) -> Texts:
    return example.prompt[-1].content, example.completion


def _outcome(decision: Decision) -> Texts:
    """Return the texts that a correction leaves."""
    assert decision.corrected is not None
    return decision.corrected.question, decision.corrected.completion


def _followed(
    ledger: Ledger, form: AnswerForm, example: Example, latest: Mapping[Texts, Decision]
) -> Example | None:
    """Return an example after all corrections of corrections; None where it is rejected."""
    seen = set()
    while (decision := latest.get(_texts(example))) is not None and decision.id not in seen:
        if decision.action == "reject":
            return None
        if decision.corrected is not None:
            example = _corrected(ledger, form, example, decision.corrected)
        seen.add(decision.id)
    return example


def _corrected(ledger: Ledger, form: AnswerForm, example: Example, wanted: Correction) -> Example:
    passages = example.passage_ids
    if wanted.citations:  # beside the passages that the question was written from
        asked = ledger.get(Turn, example.turn_id).question.passage_ids
        passages = tuple(dict.fromkeys((*asked, *(c.passage_id for c in wanted.citations))))
    question = Message(role="user", content=wanted.question)
    return example.model_copy(
        update={
            "prompt": (*example.prompt[:-1], question),
            "completion": wanted.completion,
            "result": form.result(wanted.completion),
            "passage_ids": passages,
        }
    )


def _checked(ledger: Ledger, form: AnswerForm, example: Example, wanted: Correction) -> Correction:
    """Return a correction with its quotes exactly as the passages have them."""
    question, completion = wanted.question.strip(), wanted.completion.strip()
    if not question or not completion:
        raise UserError("a corrected example has a question and an answer: reject it otherwise")
    cites = _cited(wanted.citations)
    if (question, completion) == _texts(example) and (
        not cites or cites == _cited(ledger.get(Turn, example.turn_id).expert[0].citations)
    ):
        raise UserError("nothing is changed: accept the example, or correct something")
    if form.mark and not form.has_result(completion):
        raise UserError(f"the answer has to give its result in the domain's form: {form.shown}")
    citations = tuple(_exact(ledger, citation) for citation in wanted.citations)
    return Correction(question=question, completion=completion, citations=citations)


def _cited(citations: Sequence[Citation]) -> set[tuple[str, str]]:
    """Return what is cited; white space in a quote says nothing."""
    return {(one.passage_id, " ".join(one.quote.split())) for one in citations}


def _exact(ledger: Ledger, citation: Citation) -> Citation:
    try:
        passage = ledger.get(Passage, citation.passage_id)
    except KeyError:
        raise UserError(f"no passage has the id {citation.passage_id!r}") from None
    quote = quoted(citation.quote, passage.text)
    if quote is None:
        raise UserError(f"passage {passage.id} does not say {citation.quote!r}")
    return Citation(passage_id=passage.id, quote=quote)


def _doubt(case: Case) -> tuple[float, float, str]:
    return -case.spread, case.likelihood, case.example.id


def _drawn(case: Case) -> str:
    """Return an example's place in the random order, which a correction leaves as it is."""
    example_id = case.decision.example_id if case.decision else case.example.id
    return digest(f"review/{example_id}")
