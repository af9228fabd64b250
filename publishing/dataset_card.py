"""The card of a dataset as the Hugging Face hub has them, a pure function of facts about a run.

Whatever comes from documents, models or settings is put into it as text: it cannot become a
heading, a link, HTML, or a key of the front matter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from elenchus.front_matter import front_matter
from elenchus.licences import on_hub
from elenchus.reasons import SENTENCES
from elenchus.results import RunVerdict
from publishing.markdown import inline, listed, table, titled, verdict_in_markdown
from publishing.schemas import SCHEMAS

SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
)  # fmt: skip
MOST = 20  # values of a count that the card lists


@dataclass(frozen=True)
class Source:
    """Documents that a dataset was made from, and the licence that the user gave for them.

    `hub` is the id of the dataset on the hub where it is one.
    """

    name: str
    licence: str | None = None
    hub: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a card says of a run's dataset.

    Attributes:
        rows: the number of rows of each file, by its name in `publishing.schemas.SCHEMAS`.
        digests: the SHA-256 of each file.
        about: sentences on what the dataset is and how it was chosen, of our own making.
        language: the code of ISO 639-1; None where the language is none that is known.
        models, prompts: by role, and SHA-256 by template.
        corpus: the fingerprint of the documents.
        counts: tables of counts by what is counted ("Kinds of question").
        refused: by code or reason, why something that was made was not used.
        tables: further sections by heading, in Markdown that is safe.
        trained: whether there are figures of a student that learnt it.
    """

    run: str
    title: str
    rows: Mapping[str, int]
    about: Sequence[str]
    language: str | None
    models: Mapping[str, str]
    prompts: Mapping[str, str]
    corpus: str
    sources: Sequence[Source]
    verdict: RunVerdict | None
    licence: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    review: str = ""
    tables: Mapping[str, str] = field(default_factory=dict)
    tasks: Sequence[str] = ("text-generation", "question-answering")


def card(facts: Facts) -> str:
    """Return the README.md of a dataset folder."""
    sections = {
        "What it is": _about(facts),
        "Verdict": verdict_in_markdown(facts.verdict),
        "Files": files(facts.rows),
        "How it was made": _made(facts),
        "Licences": _licences(facts),
        "Rows": _rows(facts.rows),
        **{f"Counts: {name}": _counted(counts) for name, counts in facts.counts.items()},
        "What was made and not used": _refused(facts.refused),
        **({"Review by people": inline(facts.review)} if facts.review else {}),
        **facts.tables,
        "What it must not be used for": _limits(facts.rows),
        "How to load it": loading(configs(facts.rows)),
    }
    written = "".join(f"\n## {heading}\n\n{text.strip()}\n" for heading, text in sections.items())
    title = titled(facts.title, f"dataset of run {facts.run}")
    return f"{_front_matter(facts)}\n{title}\n{written}"


def configs(
    rows: Mapping[str, int], digests: Mapping[str, str] | None = None
) -> list[dict[str, object]]:
    """Return the configurations of a dataset folder, as its front matter names them.

    A file without rows has no columns either, so nothing could load it.
    """
    return [
        {
            "config_name": SCHEMAS[name].config,
            "description": described((digests or {}).get(name, "")),
            "data_files": [{"split": SCHEMAS[name].split, "path": name}],
        }
        for name, count in rows.items()
        if count
    ]


def described(digest: str) -> str:
    """Return the description of a configuration, which tells its rows from those of other runs.

    `datasets` keeps what it loaded by the folder's name and the configurations, and would show the
    rows of another folder of this name for these.
    """
    return f"rows with SHA-256 {digest}"


def files(rows: Mapping[str, int]) -> str:
    """Return the list of files with what each holds."""
    return listed([f"`{name}`: {count:,} rows, {SCHEMAS[name].about}." for name, count in
                   rows.items()], "none")  # fmt: skip


def loading(named: Iterable[Mapping[str, object]]) -> str:
    """Return the lines of Python that load each configuration."""
    lines = [f'load_dataset("FOLDER", "{one["config_name"]}")' for one in named]
    return "\n".join(
        (
            "`FOLDER` is the folder of this file, or the name of the dataset on the hub.",
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            *lines,
            "```",
        )
    )


def licence_of_dataset(licence: str | None) -> str:
    """Return the sentence on the licence of a dataset; None where nobody has named one."""
    if licence is None:
        return (
            "Of this dataset: not stated. Its owner states it with `dataset.licence` in the "
            "domain.yaml."
        )
    return f"Of this dataset: {licence}."


def size_category(count: int) -> str:
    """Return the hub's name for a number of rows."""
    return next((name for most, name in SIZES if count < most), "n>1M")


def _front_matter(facts: Facts) -> str:
    hub = [source.hub for source in facts.sources if source.hub]
    language = {"language": [facts.language]} if facts.language else {}
    return front_matter(
        {
            "pretty_name": " ".join(facts.title.split()),
            **on_hub(facts.licence),
            **language,
            "annotations_creators": ["machine-generated"],
            "language_creators": ["machine-generated"],
            "source_datasets": hub or ["original"],
            "size_categories": [size_category(sum(facts.rows.values()))],
            "task_categories": list(facts.tasks),
            "tags": ["elenchus", "synthetic", "domain-adaptation"],
            "configs": configs(facts.rows, facts.digests),
        }
    )


def _about(facts: Facts) -> str:
    return "\n".join((*facts.about, "", "Made by Elenchus."))


def _made(facts: Facts) -> str:
    models = table(("role", "model"), [(role, inline(m)) for role, m in facts.models.items()])
    prompts = table(("prompt", "SHA-256"), [(f"`{n}`", f"`{h}`") for n, h in facts.prompts.items()])
    return (
        f"{models}\nFingerprint of the documents: `{inline(facts.corpus)}`.\n\n"
        f"The prompts, by the SHA-256 of their templates:\n\n{prompts}"
    )


def _licences(facts: Facts) -> str:
    rows = [
        (inline(source.name), source.licence or "not stated: `licence` of the source states it")
        for source in facts.sources
    ]
    return (
        f"{licence_of_dataset(facts.licence)}\n\nOf the documents that it was made from, as its "
        f"maker gave them:\n\n{table(('source', 'licence'), rows)}\nQuotes and answers hold words "
        "of the documents, whose licences bind them, and the terms of the models that wrote them."
    )


def _rows(rows: Mapping[str, int]) -> str:
    return "\n".join(
        f"### `{name}`\n\n" + table(("key", "meaning"), [(f"`{k}`", v) for k, v in
                                                        SCHEMAS[name].keys.items()])
        for name in rows
    )  # fmt: skip


def _counted(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = table(("", "rows"), [(inline(name), count) for name, count in ordered[:MOST]])
    more = ordered[MOST:]
    return shown + (f"\nand {len(more)} more, {sum(n for _, n in more)} rows." if more else "")


def _refused(refused: Mapping[str, int]) -> str:
    sentences = {str(code): sentence for code, sentence in SENTENCES.items()}
    return listed(
        [f"{n} × {sentences.get(code) or inline(code)}" for code, n in refused.items()],
        "nothing was refused",
    )


def _limits(rows: Mapping[str, int]) -> str:
    exam = ["Do not train on `held-out.jsonl`, nor on anything made from it: it measures what was "
            "learnt from the other files."] if "held-out.jsonl" in rows else []  # fmt: skip
    return listed(
        [
            *exam,
            "It is no source of advice: answers were written by a model from the documents as they "
            "were then, and some are wrong.",
            "It does not replace the documents: what counts is what they say today.",
            *(f"Do not use `{name}` as examples: it holds what checks refused." for name in rows
              if name in ("rejected.jsonl", "left-out.jsonl")),
        ],
        "",
    )  # fmt: skip
