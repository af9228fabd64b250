"""The sections of `method: passages`: tasks, passages about their problems, and pre-training."""

from pydantic import Field, field_validator, model_validator

from elenchus.own_tests import COLUMN
from elenchus.sections import Section, SourceConfig
from retrieval.selection.config import SelectionTree
from training.config import PretrainingConfig


class TaskConfig(Section):
    """A set of problems with their answers, as rows of tables.

    `text` of a table names the question's column where there is no template.
    """

    train: SourceConfig = Field(description="table of problems that passages are written about")
    test: SourceConfig = Field(description="table of problems that the student is judged on")
    template: str | None = Field(
        None, description='a question made of several columns: "Query: {query} Ad: {title}"'
    )
    answer: str = Field("answer", description="the column that holds the answer")
    choices: str | None = Field(
        None, description="a column with a list of choices; the answer is one of them or its place"
    )
    instruction: str = Field("", description="a line that stands before every question")
    match: str = Field(
        "grader",
        description="what is right: the grader says so, the same words, the same last number",
    )
    problems: int | None = Field(
        None, ge=1, description="problems of the training table to use; all, where none is given"
    )
    tests: int = Field(200, ge=1, description="problems of the test table to use")

    @field_validator("template")
    @classmethod
    def _has_columns(cls, template: str | None) -> str | None:
        if template is not None and not COLUMN.search(template):
            raise ValueError("a template names columns in braces: Query: {query}")
        return template

    @field_validator("match")
    @classmethod
    def _is_known(cls, match: str) -> str:
        from agents.graders import GRADERS  # here: most configurations name no tasks

        if match not in (known := GRADERS.names()):
            raise ValueError(f"there is no grader {match!r}; known: {', '.join(known)}")
        return match

    @model_validator(mode="after")
    def _keeps_the_answer(self) -> "TaskConfig":
        if self.template and self.answer in COLUMN.findall(self.template):
            raise ValueError(f"the template shows the answer, {{{self.answer}}}")
        return self

    @property
    def grader(self) -> str:
        """The name of the grader that compares an answer with the gold one."""
        return "choice" if self.choices else self.match


class PassagesConfig(Section):
    """Task-oriented passages (arXiv 2406.16694, section 3)."""

    count: int = Field(200, ge=1, description="passages wanted")
    problems: int = Field(3, ge=1, description="problems in a passage")
    across: bool = Field(True, description="whether each of them is of another task")
    enlightenment: bool = Field(
        True, description="close with what the problems share and what is unique to each"
    )
    question: str = Field(
        "What do these have in common, and what is unique to each?",
        description="what the closing paragraph answers, where passages are learnt as a chat",
    )
    cited: bool = Field(
        True,
        description="refuse a paragraph that cites nothing; false where skill, not text, decides",
    )
    written: int = Field(
        400, ge=1, description="problems to write from the documents, where no tasks are named"
    )
    copied: int = Field(
        13, ge=3, description="words in a row of a test problem from which a text copies it"
    )


class PretrainingTree(SelectionTree):
    """The part of the tree that this method adds."""

    tasks: dict[str, TaskConfig] = Field(
        default_factory=dict,
        description="passages: sets of problems by name; none: written from the documents",
    )
    passages: PassagesConfig = PassagesConfig()
    pretraining: PretrainingConfig = PretrainingConfig()
