"""Results of runs: `result.json`, and what `elenchus runs --json` prints, as versioned models.

A method extends `Result` in its folder. `version` rises when a field goes or changes its meaning; a
new field with a default leaves it as it is.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Word = Literal["better", "no difference", "worse", "not to be trusted"]


class Value(BaseModel):
    """Base of all parts of a result: frozen; fields of later versions are passed over."""

    model_config = ConfigDict(frozen=True)


class Estimate(Value):
    """A share, or a difference of shares, with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_share(self) -> str:
        """Return it as a percentage: 36.9%."""
        return f"{self.value:.1%}"

    def as_gain(self) -> str:
        """Return it in points with its interval: +53.6 [+48.1, +58.5]."""
        value, low, high = (100 * number for number in (self.value, self.low, self.high))
        return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


class ExamResult(Value):
    """One exam before and after; `after` and `gain` are None where nothing was trained.

    All three are None where no question has a grade both before and after.

    Attributes:
        kinds: by kind of question, the share of right answers before and, where something was
            trained, after.
        results_before, results_after: shares of right results alone, whatever the reason given.
        constant: the share that always giving the commonest answer would score.
    """

    questions: int
    ungraded: int
    before: Estimate | None
    after: Estimate | None
    gain: Estimate | None
    kinds: dict[str, list[float]]
    results_before: Estimate | None = None
    results_after: Estimate | None = None
    constant: float | None = None


class Spread(Value):
    """How many points a dataset or an exam is about.

    `effective` is the inverse Simpson index: as many points, all alike, would be spread as widely.
    `largest` counts the examples or questions about the point that has most of them.
    """

    count: int
    points: int
    effective: float
    largest: int


class Basis(Value):
    """What a run stands on; None where it has no such thing.

    Attributes:
        passages_with_points: the share of passages that gave a point.
        dataset, exam: how the examples, and the questions of the held-out exam, spread over points.
        rejected: the share of what was made that checks refused for a fault; to be known to the
            student, or to repeat another, is none.
    """

    passages_with_points: float | None = None
    dataset: Spread | None = None
    exam: Spread | None = None
    rejected: float | None = None


class RunVerdict(Value):
    """What a run came to in a word, the reasons in sentences, and the figures that they rest on.

    Attributes:
        reasons: what decided stands first.
        gain: on the held-out exam; of a classifier, that of the best mix with synthetic messages
            over what it is compared with.
        hand, general: the changes on the hand-written and the general exam (forgetting).
    """

    word: Word
    reasons: list[str]
    gain: Estimate | None = None
    hand: Estimate | None = None
    general: Estimate | None = None
    basis: Basis = Basis()


class ReliabilityBin(Value):
    """Items whose top probability is in (`low`, `high`]; None for both shares without any."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


class TestSitting(Value):
    """How one model did on a test of the user's own; None where a measure has no meaning.

    Attributes:
        accuracy: share of right answers.
        balanced: mean share right over the labels of the right answers.
        f1: plain mean over all labels.
        by_bytes: share right where each label's log-likelihood counts by byte of its text.
        brier: mean squared distance of the probabilities to the right label; half of it with two.
        calibration_error: expected, of the top probability (15 bins of equal width).
        given: how often each label was given; "" for answers that are none.
        gain, won, lost, p: against the first model on the same items: the difference of accuracies,
            items that it alone or the first alone has right, and McNemar's exact p.
    """

    __test__: ClassVar[bool] = False

    accuracy: Estimate
    balanced: Estimate | None = None
    f1: float | None = None
    by_bytes: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    reliability: list[ReliabilityBin] = []
    given: dict[str, int] = {}
    gain: Estimate | None = None
    won: int = 0
    lost: int = 0
    p: float | None = None


class TestResult(Value):
    """A test of the user's own, on the items that every model has a score on.

    Attributes:
        questions: items that the figures are of.
        ungraded: items that some model gave no answer to, or none that could be graded.
        leaked: items left out since a training example has them.
        left_out: rows that could not be asked.
        labels: how often each label is right; empty where answers are free.
        chance: share right of who always gives the commonest right answer.
        models: by name, the first one being that which others are compared with; "before" and
            "after" are the student's.
    """

    __test__: ClassVar[bool] = False

    score: str
    questions: int
    ungraded: int = 0
    leaked: int = 0
    left_out: int = 0
    labels: dict[str, int] = {}
    chance: float | None = None
    models: dict[str, TestSitting] = {}

    @property
    def before(self) -> TestSitting | None:
        """The untouched student's sitting."""
        return self.models.get("before")

    @property
    def after(self) -> TestSitting | None:
        """The trained student's sitting."""
        return self.models.get("after")


class Result(Value):
    """The result of any run.

    `seconds` are those of the process that finished it; where it was `resumed`, nobody knows how
    long earlier ones took. `verdict` is None where there was nothing to judge, and in results of
    earlier versions.
    """

    version: Literal[1] = 1
    method: str
    domain: str
    run: str
    stopped: str
    rounds: int
    examples: int
    exams: dict[str, ExamResult | None] = {}
    tests: dict[str, TestResult] = {}
    calls: int
    tokens: int
    resumed: bool
    seconds: float
    verdict: RunVerdict | None = None


class TestRow(Value):
    """A test of the user's own in the list of all runs; figures that are not known are None."""

    __test__: ClassVar[bool] = False

    questions: int
    before: float | None = None
    after: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None


class RunRow(Value):
    """A run in the list of all runs; figures that are not known are None.

    `before`, `after` and `interval` are of the held-out exam; `interval` is that of the gain, and
    `usd` what the calls cost.
    """

    version: Literal[1] = 1
    id: str
    domain: str
    state: str
    verdict: Word | None = None
    questions: int | None = None
    before: float | None = None
    after: float | None = None
    interval: tuple[float, float] | None = None
    examples: int | None = None
    seconds: float | None = None
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    tests: dict[str, TestRow] = {}


def run_row(run: str, domain: str, state: str, result: Result | None) -> RunRow:
    """Return the row of a run, without figures where there is no result."""
    if result is None:
        return RunRow(id=run, domain=domain, state=state)
    exam = result.exams.get("held-out")
    gain = exam.gain if exam else None
    return RunRow(
        id=run,
        domain=domain,
        state=state,
        verdict=result.verdict.word if result.verdict else None,
        questions=exam.questions if exam else None,
        before=exam.before.value if exam and exam.before else None,
        after=exam.after.value if exam and exam.after else None,
        interval=(gain.low, gain.high) if gain else None,
        examples=result.examples,
        seconds=result.seconds,
        calls=result.calls,
        tokens=result.tokens,
        tests={name: _test_row(taken) for name, taken in result.tests.items()},
    )


def _test_row(taken: TestResult) -> TestRow:
    before, after = taken.before, taken.after
    gain = after.gain if after else None
    return TestRow(
        questions=taken.questions,
        before=before.accuracy.value if before else None,
        after=after.accuracy.value if after else None,
        interval=(gain.low, gain.high) if gain else None,
        p=after.p if after else None,
    )
