"""The section of `method: rewriting`."""

from typing import Literal

from pydantic import Field

from elenchus.config import CommonConfig
from elenchus.sections import Section


class RewritingConfig(Section):
    form: Literal["raw", "paraphrase", "entigraph", "spa", "active-reading"] = Field(
        "paraphrase",
        description="passages as they stand, in other words; documents retold for entities, by "
        "seven fixed prompts, or by strategies of the author's own",
    )
    tokens: int = Field(
        100_000, ge=1, description="tokens of text to write; raw text is read again and again"
    )
    triples: float = Field(
        0.2, ge=0, le=1, description="entigraph: share of texts for three entities; others for two"
    )
    purpose: str = Field(
        "", description="active-reading: what the documents are learnt for; empty: for any use"
    )


class RewritingTree(CommonConfig):
    """The part of the tree that this method adds."""

    rewriting: RewritingConfig = RewritingConfig()
