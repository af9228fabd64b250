"""The section of the user's own tests: labelled rows, how each is asked, and how it is scored."""

import re
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from elenchus.sections import FilePath, Section, SourceConfig

COLUMN = re.compile(r"\{([^{}]+)\}")  # of a template
SLOT = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")  # of a prompt's file, as LegalBench has them
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a test, which names files
Scoring = Literal["choice", "exact", "contains", "number", "rubric", "judge"]
SCORINGS: tuple[Scoring, ...] = get_args(Scoring)
LABELLED: tuple[Scoring, ...] = ("choice", "exact")  # whose answers may be a few labels


class ToleranceConfig(Section):
    """How far a number may be from the right one: within either bound is right."""

    relative: float = Field(0.0, ge=0, description="as a share of the right one: 0.1")
    absolute: float = Field(0.0, ge=0, description="in its own units")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """Read a number alone, which is a share."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"relative": value} if is_number else value


class TestConfig(Section):
    """A test of the user's own, which the student takes before and after.

    `text` of a table names the question's column where there is neither template nor prompt.
    """

    __test__: ClassVar[bool] = False  # pytest would take the class for a test of ours

    rows: SourceConfig = Field(description="table of questions with their answers")
    template: str | None = Field(
        None, description='a question made of columns: "Clause: {text} Is it a licence?"'
    )
    prompt: FilePath | None = Field(
        None, description="in its place, a file with {{column}}s, solved examples in it and all"
    )
    where: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='rows to take, by patterns of what columns hold: {answer: ["$*"]}',
    )
    answer: str | None = Field(
        None, description='the column that holds the answer; "answer" if null, none for a rubric'
    )
    score: Scoring = Field(
        "exact",
        description="choice: the likeliest label; exact, contains, number: by comparison; rubric, "
        "judge: by the grader",
    )
    labels: tuple[str, ...] = Field(
        (), description="answers to choose from; those of the answer column where none are given"
    )
    tolerance: ToleranceConfig = Field(
        ToleranceConfig(), description="number: how far off is right; 0.1 alone is a tenth"
    )
    rubric: str | None = Field(
        None, description='rubric: what an answer must do, a line each; "{criteria}" is a column'
    )
    instruction: str = Field("", description="a line that stands before every question")
    count: int | None = Field(
        None, ge=1, description="rows to ask at most, drawn by the seed; all where none is given"
    )
    own_prompt: bool = Field(
        False, description="ask with the domain's prompt of the student, not with the question bare"
    )

    @field_validator("labels")
    @classmethod
    def _apart(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if any(not label.strip() for label in labels) or len(set(labels)) < len(labels):
            raise ValueError("labels must hold something, and differ")
        if len(labels) == 1:
            raise ValueError("one label is no choice: give two or more")
        return labels

    @model_validator(mode="after")
    def _fits_together(self) -> "TestConfig":
        if self.template is not None and self.prompt is not None:
            raise ValueError("a test has one of template and prompt")
        if self.template is not None and not COLUMN.search(self.template):
            raise ValueError("a template names columns in braces: Clause: {text}")
        if self.template and self.answer_column in COLUMN.findall(self.template):
            raise ValueError(f"the template shows the answer, {{{self.answer_column}}}")
        if (self.rubric is None) == (self.score == "rubric"):
            raise ValueError("score: rubric wants a rubric, and nothing else does")
        if self.labels and self.score not in LABELLED:
            raise ValueError(f"labels are for score: {' or '.join(LABELLED)}, not {self.score}")
        if self.tolerance != ToleranceConfig() and self.score != "number":
            raise ValueError(f"tolerance is for score: number, not {self.score}")
        return self

    @property
    def answer_column(self) -> str | None:
        """The column of the right answer; None where a rubric alone decides."""
        return self.answer or (None if self.score == "rubric" else "answer")


def check_names(tests: dict[str, TestConfig]) -> dict[str, TestConfig]:
    """Return tests whose names can be names of files; ValueError for others."""
    for name in tests:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"a test's name is letters, digits, dots, dashes and underscores: {name!r}"
            )
    folded = [name.casefold() for name in tests]
    if len(set(folded)) < len(folded):
        raise ValueError("two tests have one name, but for its case: some disks tell no difference")
    return tests
