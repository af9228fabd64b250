"""The sections of `method: examination`."""

import itertools
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from elenchus.config import CommonConfig
from elenchus.sections import Section

Share = Annotated[float, Field(ge=0, le=1)]


class ExaminationConfig(Section):
    max_turns: int = Field(3, ge=1, description="questions at most in one examination")
    fresh_turns: int = Field(
        1, ge=1, description="the same in a point's first one: what is known there is known"
    )
    patience: int = Field(2, ge=1, description="turns without a wider gap before giving up")
    acceptance: Literal["fail", "band", "spread"] = Field(
        "fail",
        description="accept where the student fails; where it is right by turns, within a band of "
        "scores; or where its answers differ most in worth",
    )
    accept_below: float = Field(
        0.5, ge=0, le=1, description="fail: the mean score must be below this"
    )
    accept_gap: float = Field(0.15, ge=0, le=1, description="fail: least gap that is accepted")
    band: tuple[Share, Share] = Field(
        (0.2, 0.6), description="band: lowest and highest mean score that is accepted"
    )
    least_spread: float = Field(
        0.1, ge=0, le=0.25, description="spread: least variance of the scores"
    )
    revision: Literal["one call", "three calls"] = Field(
        "one call", description="of the examiner: feedback, guidance and question at once or apart"
    )
    predict: bool = Field(
        True, description="do not ask the expert where the student is predicted to be right"
    )
    ask_above: float = Field(
        0.3, ge=0, le=1, description="predicted probability of failing from which it is asked"
    )
    audit: float = Field(
        0.1, gt=0, le=1, description="share asked anyway, which keeps the prediction honest"
    )
    sighted: bool = Field(
        True, description="ask the student, and accept what it fails; else take the last question"
    )
    concurrency: int = Field(64, ge=1, description="examinations under way at once")

    @field_validator("band")
    @classmethod
    def _in_order(cls, band: tuple[float, float]) -> tuple[float, float]:
        if band[0] > band[1]:
            raise ValueError("the lowest score must come first")
        return band


class AdaptationConfig(Section):
    examples: tuple[PositiveInt, ...] = Field(
        (200, 400), min_length=1, description="size that the dataset should have after each round"
    )

    @field_validator("examples")
    @classmethod
    def _rising(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in itertools.pairwise(sizes)):
            raise ValueError("sizes must rise from round to round")
        return sizes

    points: Literal["failures", "coverage", "random"] = Field(
        "failures", description="which points are asked about: those likely failed and uncovered"
    )
    kinds: Literal["failures", "even", "random"] = Field(
        "failures", description="which kinds of question are asked: in proportion to failures"
    )
    depth: int = Field(2, ge=1, description="questions about a point in a row, of different kinds")
    memory: float = Field(
        0.3, ge=0, le=1, description="weight of what a round showed, for each round since"
    )
    stopping: tuple[str, ...] = Field(
        ("failures", "no-gain"), description="rules that may end a run before its last round"
    )
    stop_failure_share: float = Field(
        0.1, ge=0, le=1, description="stop when the student fails fewer of the fresh questions"
    )
    stop_patience: int = Field(
        2, ge=1, description="stop after so many rounds with no significant gain"
    )
    coverage_decay: float = Field(
        0.5, gt=0, le=1, description="worth of a point for each example that already covers it"
    )


class AdaptationTree(CommonConfig):
    """The part of the tree that this method adds."""

    examination: ExaminationConfig = ExaminationConfig()
    adaptation: AdaptationConfig = AdaptationConfig()
    review: bool = Field(
        False, description="wait before every training until a person has looked at the examples"
    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the size of the dataset after each round; without training there is one."""
        sizes = self.adaptation.examples
        return sizes if self.training.enabled else sizes[-1:]
