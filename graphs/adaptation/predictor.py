"""Predicts whether a student fails a question, before the expert is asked: its answers cost most.

A logistic regression on what is known without the expert: how far the student's samples agree with
one another, how likely it holds them to be, whether the question was revised, and how often it
failed first questions on other points of the topic, and of the kind. It is fitted to the run's own
graded answers, and checked on those that it was not fitted to.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from elenchus.ledger import Ledger
from elenchus.outcomes import Update
from elenchus.questions import AnswerForm
from elenchus.records import Answer, Examination, Point, Record, Seed, Turn, digest
from graphs.adaptation.history import failed, is_sound, topic_of

LEAST = 30  # graded questions before anything is predicted
FOLDS = 5
SURE = 1.5  # standard errors by which it must be better than the share of failures alone
PENALTY = 1.0  # on the squared weights, beside the sum of the log losses
RATES = 2  # columns, which are the last
FLAT = 1e-6  # standard deviation below which a column is constant
_WORD = re.compile(r"\w+")
Floats = NDArray[np.float64]
Tally = Mapping[str, tuple[int, int]]  # failed and asked, by point, topic or kind


class Predictor(Record):
    """A fitted prediction.

    Attributes:
        weights: of the constant, and of what `_features` returns.
        tallies: failed and asked, by point ("o-…"), topic ("topic: …") and kind ("kind: …").
        brier, base: Brier scores on questions that it was not fitted to, and of always saying the
            share of failures; lower is better.
    """

    prefix: ClassVar[str] = "b"
    round: int
    weights: tuple[float, ...]
    tallies: dict[str, tuple[int, int]]
    graded: int
    brier: float
    base: float

    def probability(
        self,
        seed: Seed,
        point: Point,
        answers: Sequence[Answer],
        form: AnswerForm,
        revised: bool = False,
    ) -> float:
        """Return the probability that the student fails the question that it answered so."""
        row = _features(_keys(seed, point), self.tallies, answers, form, revised)
        return _sigmoid(float(np.dot(self.weights, row)))


def fit(
    ledger: Ledger, round_: int, form: AnswerForm, audit: float, ask_above: float, memory: float
) -> Predictor | None:
    """Fit a prediction to the questions of a round and of those before it, revised ones too.

    The student has learnt since rounds before the last: each counts `memory` times as much as the
    one after. Where an earlier prediction spared the expert but for a share `audit`,
    what was asked stands for what was not; else mostly failures would be learnt from. None where
    the prediction would be no better than the share of failures; better by chance is no better.
    """
    # An update takes over what was accepted alone, which the student failed.
    begun = max((taken.round for taken in ledger.all(Update)), default=0)
    known = []
    for examination in ledger.all(Examination):
        weight = memory ** max(round_ - 1 - examination.round, 0)
        if weight and begun < examination.round <= round_:
            known += _graded(ledger, examination, form, weight, audit, ask_above)
    outcomes, counts = _outcomes(known)
    if len(known) < LEAST or not 0 < outcomes.mean() < 1:
        return None
    share = np.average(outcomes, weights=counts)
    off = (_foreseen(known, form) - outcomes) ** 2
    worth = (share - outcomes) ** 2 - off
    gain = np.average(worth, weights=counts)
    # The standard error of a weighted mean.
    error = math.sqrt(((counts * (worth - gain)) ** 2).sum()) / counts.sum()
    if gain <= SURE * error:
        return None
    tallies, weights = _learnt(known, form)
    return Predictor(
        round=round_,
        weights=tuple(round(float(w), 6) for w in weights),
        tallies=tallies,
        graded=len(known),
        brier=round(float(np.average(off, weights=counts)), 4),
        base=round(float(share * (1 - share)), 4),
    )


class _Known(NamedTuple):
    """A graded question: the keys of its tallies, the student's answers, and how it ended.

    `weight` says for how many questions it stands.
    """

    keys: Sequence[str]
    answers: Sequence[Answer]
    revised: bool
    fails: bool
    weight: float


def _graded(
    ledger: Ledger,
    examination: Examination,
    form: AnswerForm,
    weight: float,
    audit: float,
    ask_above: float,
) -> list[_Known]:
    """Return the questions of an examination that were graded, and whose expert answer held."""
    seed = ledger.get(Seed, examination.seed_id)
    earlier = ledger.get(Predictor, seed.predictor_id) if seed.predictor_id else None
    known = []
    for number, turn_id in enumerate(examination.turn_ids):
        turn, revised = ledger.get(Turn, turn_id), number > 0
        if turn.verdict is None or not is_sound(turn, examination):
            continue
        point, stands = ledger.get(Point, seed.point_id), weight
        if earlier and earlier.probability(seed, point, turn.student, form, revised) < ask_above:
            stands /= audit
        keys = _keys(seed, point)
        known.append(_Known(keys, turn.student, revised, failed(turn.verdict), stands))
    return known


def _learnt(known: Sequence[_Known], form: AnswerForm) -> tuple[dict[str, tuple[int, int]], Floats]:
    """Return the tallies of graded questions, and the weights that are fitted to them.

    The tallies are of first questions: one is revised only where the student was right. A
    question's own outcome is taken out of the tallies that it is predicted from.
    """
    tallies = _tallies((one.keys, one.fails) for one in known if not one.revised)
    rows = []
    for one in known:
        others = tallies if one.revised else _without(tallies, one.keys, one.fails)
        rows.append(_features(one.keys, others, one.answers, form, one.revised))
    return tallies, _fitted(np.array(rows), *_outcomes(known))


def _outcomes(known: Sequence[_Known]) -> tuple[Floats, Floats]:
    """Return how questions ended, 1 for a failure, and their weights."""
    fails, weights = np.array([float(k.fails) for k in known]), np.array([k.weight for k in known])
    return fails, weights


def _foreseen(known: Sequence[_Known], form: AnswerForm) -> Floats:
    """Return what is predicted of each question from others alone, a fold at a time."""
    predicted = np.zeros(len(known))
    for fold in range(FOLDS):
        inside = [one for n, one in enumerate(known) if n % FOLDS != fold]
        tallies, weights = _learnt(inside, form)
        for n in range(fold, len(known), FOLDS):
            one = known[n]
            row = _features(one.keys, tallies, one.answers, form, one.revised)
            predicted[n] = _sigmoid(float(np.dot(weights, row)))
    return predicted


def is_audited(seed: Seed, share: float) -> bool:
    """Tell whether the expert is asked whatever is predicted: a share of the seeds, by their id."""
    return int(digest(f"audit/{seed.id}"), 16) < share * 16**16


def agreement(answers: Sequence[Answer], form: AnswerForm) -> tuple[float, float]:
    """Return how far answers agree, in pairs: the share with one result, and of words shared."""
    if len(answers) < 2:
        return 1.0, 1.0
    results = [" ".join(_WORD.findall(form.result(a.text).casefold())) for a in answers]
    words = [set(_WORD.findall(a.text.casefold())) for a in answers]
    same = [float(a == b) for a, b in combinations(results, 2)]
    shared = [len(a & b) / (len(a | b) or 1) for a, b in combinations(words, 2)]
    return fmean(same), fmean(shared)


def _keys(seed: Seed, point: Point) -> tuple[str, str, str]:
    return point.id, f"topic: {topic_of(point)}", f"kind: {seed.kind}"


def _features(
    keys: Sequence[str],
    tallies: Tally,
    answers: Sequence[Answer],
    form: AnswerForm,
    revised: bool,
) -> list[float]:
    """Return what is known of a question: a constant, how it was answered, rates of failing.

    What was asked about its own point does not count. Two questions on a point fail together, so it
    would outweigh all else in what is fitted to, and tell nothing of a point that is new.
    """
    likelihoods = [a.likelihood for a in answers if a.likelihood is not None]
    silent = sum(not a.text.strip() for a in answers) / (len(answers) or 1)
    point, topic, kind = (tallies.get(key, (0, 0)) for key in keys)
    others = topic[0] - point[0], topic[1] - point[1]
    rates = [_logit((fails + 1) / (asked + 2)) for fails, asked in (others, kind)]
    return [1.0, *agreement(answers, form), fmean(likelihoods) if likelihoods else 0.0, silent,
            float(revised), *rates]  # fmt: skip


def _tallies(outcomes: Iterable[tuple[Sequence[str], bool]]) -> dict[str, tuple[int, int]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for keys, fails in outcomes:
        for key in keys:
            counts[key][0] += fails
            counts[key][1] += 1
    return {key: (fails, asked) for key, (fails, asked) in sorted(counts.items())}


def _without(tallies: Tally, keys: Sequence[str], fails: bool) -> dict[str, tuple[int, int]]:
    return {key: (tallies[key][0] - fails, tallies[key][1] - 1) for key in keys}


def _fitted(rows: Floats, outcomes: Floats, counts: Floats) -> Floats:
    """Return the weights of least penalised log loss; the constant, which is first, is free.

    What the answers say is brought to one scale first: likelihoods differ by hundredths, and a
    weight that makes something of them would else cost too much. Rates stay as they are: without
    its own outcome, a question's rate is a little further from it, which must not be enlarged.
    """
    free = np.ones(rows.shape[1])
    free[0] = 0.0
    means = np.average(rows, axis=0, weights=counts)
    scales = np.sqrt(np.average((rows - means) ** 2, axis=0, weights=counts))
    means[0] = 0.0
    scales[scales < FLAT] = 1.0  # says nothing, and gets no weight
    scales[-RATES:] = 1.0
    columns = (rows - means) / scales

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = columns @ weights
        total = counts @ (np.logaddexp(0, scores) - outcomes * scores)
        penalty = PENALTY / 2 * (free * weights**2).sum()
        slope = columns.T @ (counts * (_sigmoids(scores) - outcomes)) + PENALTY * free * weights
        return float(total + penalty), slope

    found: Floats = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    found /= scales
    found[0] -= found @ means
    return found


def _sigmoids(scores: Floats) -> Floats:
    made: Floats = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
    return made


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
