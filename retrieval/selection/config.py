"""The section `selection`: which text of a general corpus is like the domain's own."""

from typing import Literal

from pydantic import Field

from elenchus.config import CommonConfig
from elenchus.sections import Section, SourceConfig

PRECISION = 0.9  # where neither it nor a budget is given


class SelectionConfig(Section):
    """How `elenchus select` chooses text to go on training with (arXiv 2406.16694, section 3)."""

    general: list[SourceConfig] = Field(
        default_factory=list,
        description="the general corpus: Parquet, .jsonl, .txt, .csv, also .gz or .zst, on "
        "a disk or at s3://, gs://, abfs://, hdfs://; and hf:",
    )
    tests: list[SourceConfig] = Field(
        default_factory=list,
        description="texts of tests, in such files: what contains one is left out",
    )
    method: Literal["linear", "dsir"] = Field(
        "linear", description="a linear classifier, or the log ratios of DSIR a token, to compare"
    )
    tokens: int | None = Field(
        None, ge=1, description="tokens to select at most; all that is precise enough, where none"
    )
    precision: float | None = Field(
        None,
        ge=0,
        le=1,
        description="least share, as estimated, that is text of the domain; none is 0.9 without "
        "tokens, else no limit",
    )
    sample: int = Field(
        20_000, ge=100, description="texts of the corpus, and of the domain, to learn from at most"
    )
    longest: int = Field(
        50_000, ge=1000, description="characters of a text; longer ones are cut between paragraphs"
    )
    near_duplicate: float = Field(
        0.8, gt=0, le=1, description="share of common phrases from which two texts are the same"
    )
    ratings: int = Field(
        0, ge=0, description="texts whose educational value the expert rates; 0: no such filter"
    )
    least_value: float = Field(
        3.0, ge=0, le=5, description="educational value, of 0 to 5, below which text is left out"
    )
    workers: int | None = Field(
        None,
        ge=1,
        description="processes that read at once, without a cluster; as many as cores, where none "
        "is given",
    )

    @property
    def least_precision(self) -> float:
        """The precision to hold to: a budget alone decides alone."""
        if self.precision is not None:
            return self.precision
        return PRECISION if self.tokens is None else 0.0


class SelectionTree(CommonConfig):
    """The part of the tree that a selection reads."""

    selection: SelectionConfig = SelectionConfig()
