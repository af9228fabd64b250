"""The verdict on a run that trains a student: pure functions of its exams and of what they rest on.

Reasons not to trust the exams come first. Else the interval of the gain on the held-out exam gives
the word, which the questions that people wrote, a sure loss on a test of the user's own or of what
the student could do before, and the score of a constant answer can only lower.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from elenchus.config import VerdictConfig
from elenchus.reasons import Code
from elenchus.results import Basis, Estimate, ExamResult, RunVerdict, Spread, TestResult, Word

FEW = 4  # about one point are never too many: two visits of two questions each
# What was refused for these is not the worse for it.
NO_FAULT: frozenset[Code] = frozenset(
    {"known", "unsuited", "likely-known", "repeats", "written-before", "near-exam", "copies-test",
     "source-copies-test", "unusable-row"}
)  # fmt: skip
CHANCE: dict[Word, str] = {
    "better": "a gain beyond chance",
    "no difference": "it may be nothing",
    "worse": "a loss beyond chance",
}
RANK: dict[Word, int] = {"worse": 0, "no difference": 1, "better": 2}
Exams = Mapping[str, ExamResult | None]
Tests = Mapping[str, TestResult]
SURE = 0.05  # p of a loss, over all tests together
Finding = tuple[Word, str]  # the best word that it leaves, and why


def spread(point_ids: Iterable[str]) -> Spread | None:
    """Return how things are spread over points, given the point of each; None without any."""
    counts = Counter(point_ids)
    if not (count := counts.total()):
        return None
    return Spread(
        count=count,
        points=len(counts),
        effective=round(count**2 / sum(n**2 for n in counts.values()), 1),
        largest=max(counts.values()),
    )


def rejected_share(accepted: int, rejected: Mapping[Code, int]) -> float | None:
    """Return the share of what was made that checks refused for a fault; None where nothing was."""
    made = accepted + sum(rejected.values())
    faulty = sum(count for code, count in rejected.items() if code not in NO_FAULT)
    return faulty / made if made else None


def by_interval(gain: Estimate) -> Word:
    """Return the word that an interval allows alone."""
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no difference"


def decide(
    exams: Exams,
    basis: Basis,
    limits: VerdictConfig,
    trained: bool,
    missed: str = "",
    tests: Tests = MappingProxyType({}),
) -> RunVerdict | None:
    """Return the verdict on a run.

    Where nothing was trained there is no before and after: None, unless what was made is not to be
    trusted.

    Args:
        missed: why a run that was to train anything did not; "" for all others.
        tests: of the user's own, by name.
    """
    doubts = _doubts_of_basis(basis, limits)
    if trained:
        doubts += _doubts_of_exam(exams.get("held-out"), basis, limits)
    if doubts:
        reasons = [*doubts, *_all_the_same(exams), *(why for _, why in _of_tests(tests, limits))]
        return _verdict("not to be trusted", reasons, exams, basis)
    if trained:
        word, reasons = _word(exams, limits, tests)
        return _verdict(word, [*reasons, *_supports(basis)], exams, basis)
    if missed:
        reasons = [f"Nothing was trained: {missed}.", *_supports(basis)]
        return _verdict("no difference", reasons, exams, basis)
    return None


def _verdict(word: Word, reasons: list[str], exams: Exams, basis: Basis) -> RunVerdict:
    return RunVerdict(
        word=word,
        reasons=reasons,
        gain=_gain(exams, "held-out"),
        hand=_gain(exams, "hand"),
        general=_gain(exams, "general"),
        basis=basis,
    )


def _gain(exams: Exams, name: str) -> Estimate | None:
    taken = exams.get(name)
    return taken.gain if taken else None


def _doubts_of_basis(basis: Basis, limits: VerdictConfig) -> list[str]:
    """Return why neither exam nor dataset says anything of the documents."""
    doubts = []
    share = basis.passages_with_points
    if share is not None and share < limits.least_passages:
        doubts.append(
            f"Only {share:.1%} of the passages gave a point (verdict.least_passages is "
            f"{limits.least_passages:g}): the run is about that part of the documents alone."
        )
    doubts += _concentrated(basis.dataset, "examples", limits)
    if basis.rejected is not None and basis.rejected > limits.most_rejected:
        doubts.append(
            f"Checks refused {basis.rejected:.1%} of what was made (verdict.most_rejected is "
            f"{limits.most_rejected:g}): of so much that is wrong, some has passed."
        )
    return doubts


def _doubts_of_exam(held_out: ExamResult | None, basis: Basis, limits: VerdictConfig) -> list[str]:
    """Return why the held-out exam cannot tell what the training did."""
    asked = held_out.questions + held_out.ungraded if held_out else 0
    if held_out is None or not asked:
        return ["There is no held-out exam: nothing tells what the training did."]
    doubts = []
    if held_out.questions < limits.least_questions:
        doubts.append(
            f"{held_out.questions} graded questions are too few to tell anything "
            f"(verdict.least_questions is {limits.least_questions})."
        )
    if (share := held_out.ungraded / asked) > limits.most_ungraded:
        doubts.append(
            f"{share:.1%} of the held-out exam has no grade (verdict.most_ungraded is "
            f"{limits.most_ungraded:g}): with them the result may be another."
        )
    return doubts + _concentrated(basis.exam, "questions of the held-out exam", limits)


def _concentrated(over: Spread | None, what: str, limits: VerdictConfig) -> list[str]:
    """Say so where one point has too large a share."""
    if over is None or over.largest <= max(FEW, limits.most_of_point * over.count):
        return []
    return [
        f"{over.largest} of {over.count} {what} are about one point (verdict.most_of_point is "
        f"{limits.most_of_point:g}): in effect they are about {over.effective:g} points."
    ]


def _word(exams: Exams, limits: VerdictConfig, tests: Tests) -> tuple[Word, list[str]]:
    """Return the word for exams that can be trusted, and the reasons, what decided first."""
    held_out = exams["held-out"]
    assert held_out is not None and held_out.gain is not None and held_out.after is not None
    gain = held_out.gain
    found = [
        _of_held_out(gain),
        *_of_constant(held_out.results_after or held_out.after, held_out.constant),
        *_of_hand(exams.get("hand"), limits),
        *_of_tests(tests, limits),
        _of_general(exams.get("general"), gain, limits),
    ]
    found.sort(key=lambda pair: RANK[pair[0]])  # stable: among equals the held-out exam leads
    return found[0][0], [reason for _, reason in found]


def _of_held_out(gain: Estimate) -> Finding:
    word = by_interval(gain)
    return word, f"The change on the held-out exam is {gain.as_gain()} points: {CHANCE[word]}."


def _of_constant(results: Estimate, constant: float | None) -> list[Finding]:
    """Judge by what always giving the commonest answer would score, which takes no knowledge."""
    if constant is None or results.value > constant:
        return []
    said = f"Always giving the commonest answer would score {constant:.1%}, no less than now"
    return [("no difference", f"{said} ({results.as_share()}).")]


def _of_hand(hand: ExamResult | None, limits: VerdictConfig) -> list[Finding]:
    """Judge by what people asked: a sure loss there is a loss, and no gain there is none."""
    if hand is None or hand.gain is None:
        return []
    gain, said = hand.gain, f"The change on what people asked is {hand.gain.as_gain()} points"
    if by_interval(gain) == "worse" and hand.questions >= limits.least_questions:
        return [("worse", f"{said}: {CHANCE['worse']}.")]
    if gain.value < 0:
        return [("no difference", f"{said}: no gain.")]
    return [("better", f"{said}.")]


def _of_tests(tests: Tests, limits: VerdictConfig) -> list[Finding]:
    """Judge by the user's own tests: a sure loss on one of them is a loss.

    Of many tests some lose by chance, so that the more there are, the surer it must be.
    """
    found: list[Finding] = []
    for name, taken in tests.items():
        after = taken.after
        if after is None or after.gain is None or after.p is None:
            continue
        said = f"The change on the test {name} is {after.gain.as_gain()} points"
        sure = by_interval(after.gain) == "worse" and after.p * len(tests) <= SURE
        if sure and taken.questions >= limits.least_questions:
            found.append(("worse", f"{said}: {CHANCE['worse']}."))
            continue
        usual = taken.chance
        beside = f"; always the commonest answer would score {usual:.1%}" if usual else ""
        found.append(("better", f"{said}, to {after.accuracy.as_share()}{beside}."))
    return found


def _of_general(general: ExamResult | None, gain: Estimate, limits: VerdictConfig) -> Finding:
    """Judge by what the student could do before: a sure and large loss must be worth it."""
    if general is None or general.gain is None:
        return "better", "There is no general exam: what the student forgot is not known."
    change = general.gain
    said = f"The change on what the student could do before is {change.as_gain()} points"
    sure = by_interval(change) == "worse" and general.questions >= limits.least_questions
    if not sure or -change.value <= limits.most_forgotten:
        return "better", f"{said}."
    if by_interval(gain) == "better" and gain.value >= -change.value:
        return "better", f"{said}: it forgot, though less than it gained."
    return "worse", f"{said}: it forgot, and gained nothing that is worth it."


def _all_the_same(exams: Exams) -> list[str]:
    """Return what the exams say, where that is not to be trusted."""
    names = {"held-out": "held-out", "hand": "hand-written", "general": "general"}
    gains = {said: gain for name, said in names.items() if (gain := _gain(exams, name))}
    if not gains:
        return []
    listed = ", ".join(f"{gain.as_gain()} on the {said} exam" for said, gain in gains.items())
    return [f"Measured all the same: {listed}."]


def _supports(basis: Basis) -> list[str]:
    """Return what the exams and the dataset rest on, in a sentence."""
    parts = []
    if basis.passages_with_points is not None:
        parts.append(f"{basis.passages_with_points:.1%} of the passages gave a point")
    for name, over in (("dataset", basis.dataset), ("exam", basis.exam)):
        if over is not None:
            parts.append(f"the {name} is in effect about {over.effective:g} points")
    if basis.rejected is not None:
        parts.append(f"checks refused {basis.rejected:.1%} of what was made")
    sentence = "; ".join(parts)
    return [f"{sentence[0].upper()}{sentence[1:]}."] if parts else []
