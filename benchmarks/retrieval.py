"""How often search finds the right passage, and how long it takes.

    python -m benchmarks.retrieval --policyqa FOLDER/dev.json

Questions of PolicyQA (Ahmad et al. 2020), each searched within its own policy, since they do not
name the site; a paragraph is a passage, and right is the one that holds the answer. Settings were
chosen on every other policy, beginning with the first; figures are of the others.

Keys of the JSON: `dense`, `lexical`, `fused`, each with `recall@5`, `recall@10`, `mrr` (of the
first ten) and `chosen_on` with the same of the other half; `questions`; `fused_minus_better`,
recall@10 over the better single one; `tuned`, by "policyqa", "harbour" and "market" (the exams of
the demonstration domains that people wrote): what `elenchus corpus tune` chooses by half of the
questions, and its quality on the others beside that of the single rankings; `search_ms`, by
passages searched, the middle one of queries with their embedding, and `bare_ms`, the same of the
libraries alone (sentence-transformers, Chroma, bm25s), asked in turn with ours. Passages for the
time are sentences of the policies in random order; the vectors of 100,000 are those of 13,000 with
noise.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import bm25s
import chromadb
import numpy as np
import Stemmer
from chromadb.config import Settings
from rich.table import Table
from sentence_transformers import SentenceTransformer

from benchmarks import harness, tables
from elenchus.cli.main import settle_environment
from elenchus.cli.tune import of_hand_exam
from elenchus.config import RetrievalConfig
from elenchus.progress import unseen
from elenchus.records import Passage
from graphs.config import load
from retrieval import tuning
from retrieval.embedding import Embedder, Vectors, minilm_folder
from retrieval.index import contents
from retrieval.search import Search
from retrieval.store import Store

Ranking = Callable[[str, str], Sequence[str]]
Policy = tuple[str, list[Passage], list[tuple[str, int]]]  # title, paragraphs, (question, gold)
Corpus = tuple[list[Passage], list[tuning.Asked]]
MEASURES = ("recall@5", "recall@10", "mrr")
SIZES, QUICK_SIZES = (13_000, 100_000), (2_000,)
QUERIES = 200
NOISE = 0.02  # standard deviation a dimension; the vectors have 384, and length 1


class Noisy(Embedder):
    """Real vectors of some texts, over and over with noise, for as many passages as wanted."""

    def __init__(self, vectors: Vectors) -> None:
        super().__init__("minilm")
        self._known, self._rng = vectors, np.random.default_rng(0)

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1:  # a query
            return super().encode(texts)
        picked = self._known[self._rng.integers(len(self._known), size=len(texts))]
        moved = picked + self._rng.normal(0, NOISE, picked.shape)
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit


def read(path: Path) -> list[Policy]:
    """Read the policies of a PolicyQA file."""
    policies = []
    for policy in json.loads(path.read_text(encoding="utf-8"))["data"]:
        title, paragraphs = policy["title"], policy["paragraphs"]
        passages = [
            Passage(document_id=title, source=title, start=n, end=n + 1, heading=(),
                    text=p["context"])
            for n, p in enumerate(paragraphs)
        ]  # fmt: skip
        asked = [(qa["question"], n) for n, p in enumerate(paragraphs) for qa in p["qas"]]
        policies.append((title, passages, asked))
    return policies


def quality(policies: Sequence[Policy], embedder: Embedder, folder: Path) -> dict[str, Any]:
    """Return recall and mean reciprocal rank of all rankings, on both halves of the policies."""
    config = RetrievalConfig()
    passages = [p for _, paragraphs, _ in policies for p in paragraphs]
    with closing(Store("policies", folder, config, embedder)) as store:
        store.hold(passages, unseen)
        search = Search(passages, store, config)
        rankings: dict[str, Ranking] = {
            "dense": lambda query, title: list(search.dense(query, title)),
            "lexical": lambda query, title: [
                i for i, score in search.lexical(query, title).items() if score > 0
            ],
            "fused": lambda query, title: [h.passage.id for h in search.ranked(query, title)],
        }
        figures: dict[str, Any] = {
            name: _measured(policies[1::2], ranking)
            | {"chosen_on": _measured(policies[::2], ranking)}
            for name, ranking in rankings.items()
        }
    better = max(figures[name]["recall@10"] for name in ("dense", "lexical"))
    asked = sum(len(questions) for _, _, questions in policies[1::2])
    return figures | {
        "questions": asked,
        "fused_minus_better": round(figures["fused"]["recall@10"] - better, 4),
    }


def tuned(policies: Sequence[Policy], embedder: Embedder, folder: Path) -> dict[str, Any]:
    """Return what tuning comes to, by corpus: see `retrieval.tuning`."""
    figures = {}
    corpora = {"policyqa": _of_policies(policies)}
    corpora |= {name: _of_domain(name) for name in ("harbour", "market")}
    config = RetrievalConfig(candidates=tuning.DEEPEST)
    usual = RetrievalConfig()
    present = tuning.Settings(usual.lexical_weight, usual.neighbours, usual.candidates)
    for name, (passages, asked) in corpora.items():
        with closing(Store(f"tuned-{name}", folder, config, embedder)) as store:
            store.hold(passages, unseen)
            search = Search(passages, store, config)
            figures[name] = tuning.tune(search, asked, present).as_json()
    return {"tuned": figures}


def _of_policies(policies: Sequence[Policy]) -> Corpus:
    asked = [
        tuning.Asked(question, frozenset({passages[gold].id}), title)
        for title, passages, questions in policies
        for question, gold in questions
    ]
    return [p for _, passages, _ in policies for p in passages], asked


def _of_domain(name: str) -> Corpus:
    home = harness.ROOT / "domains" / name
    _, passages = contents(load(home / "domain.yaml"), home)
    return passages, of_hand_exam(home / "exam.jsonl", passages)


def _measured(policies: Sequence[Policy], ranking: Ranking) -> dict[str, float]:
    places: list[int] = []
    for title, passages, asked in policies:
        ranked = {query: list(ranking(query, title)) for query in {q for q, _ in asked}}
        for query, gold in asked:
            right = passages[gold].id
            places.append(ranked[query].index(right) + 1 if right in ranked[query] else 0)
    shares = (
        statistics.fmean(0 < place <= 5 for place in places),
        statistics.fmean(0 < place <= 10 for place in places),
        statistics.fmean(1 / place if 0 < place <= 10 else 0 for place in places),
    )
    return dict(zip(MEASURES, (round(share, 4) for share in shares), strict=True))


def seconds(
    policies: Sequence[Policy], sizes: Sequence[int], folder: Path, embedder: Embedder
) -> dict[str, dict[str, float]]:
    """Return the middle times of a fused search, in milliseconds, by the number of passages."""
    rng = random.Random(0)
    sentences = [s for _, passages, _ in policies for p in passages for s in p.text.split(". ")]
    queries = sorted({q for _, _, asked in policies for q, _ in asked})
    figures: dict[str, dict[str, float]] = {"search_ms": {}, "bare_ms": {}}
    config = RetrievalConfig()
    for size in sizes:
        texts = [". ".join(rng.sample(sentences, 4)) for _ in range(size)]
        passages = [
            Passage(document_id="d", source=f"{n // 20}", start=n, end=n + 1, heading=(), text=text)
            for n, text in enumerate(texts)
        ]
        with closing(Store(f"p{size}", folder, config, embedder)) as store:
            store.hold(passages, unseen)
            search = Search(passages, store, config)
            ways: dict[str, Callable[[str], object]] = {
                "search_ms": search,
                "bare_ms": _bare(folder, f"p{size}", texts),
            }
            times: dict[str, list[float]] = {way: [] for way in ways}
            for query in [queries[0], *rng.choices(queries, k=QUERIES)]:
                for way, ask in ways.items():
                    begun = time.perf_counter()
                    ask(query)
                    times[way].append(time.perf_counter() - begun)
            for way, taken in times.items():
                figures[way][str(size)] = round(1000 * statistics.median(taken[1:]), 2)
            vectors = store.vectors([p.id for p in passages[:5000]])
            embedder = Noisy(np.stack(list(vectors.values())))
    return figures


def _bare(folder: Path, name: str, texts: Sequence[str]) -> Callable[[str], object]:
    """Return a search with the libraries alone: both rankings, not even fused."""
    model = SentenceTransformer(str(minilm_folder()), device="cpu")
    client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
    collection = client.get_collection(name, embedding_function=None)
    stemmer, lexical = Stemmer.Stemmer("english"), bm25s.BM25()

    def tokens(queries: Sequence[str]) -> Any:
        return bm25s.tokenize(list(queries), stopwords="en", stemmer=stemmer, show_progress=False)

    lexical.index(tokens(texts), show_progress=False)

    def ask(query: str) -> object:
        vector = model.encode([query], normalize_embeddings=True, show_progress_bar=False)
        return (
            collection.query(query_embeddings=vector, n_results=24, include=["distances"]),
            lexical.retrieve(tokens([query]), k=24, show_progress=False),
        )

    return ask


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table("", *MEASURES, *(f"{m}, chosen on" for m in MEASURES), box=None)
    for name in ("dense", "lexical", "fused"):
        both = (figures[name], figures[name]["chosen_on"])
        table.add_row(name, *(f"{half[m]:.3f}" for half in both for m in MEASURES))
    console = tables.wide()
    console.print(table)
    console.print(f"{figures['questions']} questions; fused minus the better single one: "
                  f"{100 * figures['fused_minus_better']:+.1f} points of recall@10")  # fmt: skip
    for name, found in figures["tuned"].items():
        said = "; ".join(
            f"{way} {q['recall']:.3f}, {q['mrr']:.3f}" for way, q in found["quality"].items()
        )
        console.print(f"{name}, recall@10 and MRR of {found['questions']} questions: {said}")
    for size, milliseconds in figures["search_ms"].items():
        bare = figures["bare_ms"][size]
        console.print(f"a search among {int(size):,} passages: {milliseconds} ms; bare: {bare} ms")


def main() -> None:
    """Measure, then print the figures."""
    settle_environment()
    parser = argparse.ArgumentParser(description="How often search finds the right passage.")
    parser.add_argument("--policyqa", type=Path, required=True, help="dev.json of PolicyQA")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.policyqa.is_file():
        sys.exit(f"--policyqa: there is no file {options.policyqa}")
    policies = read(options.policyqa)[: 6 if options.quick else None]
    embedder = Embedder("minilm")
    with tempfile.TemporaryDirectory() as folder:
        figures = quality(policies, embedder, Path(folder) / "quality")
        figures |= tuned(policies, embedder, Path(folder) / "tuned")
        sizes = QUICK_SIZES if options.quick else SIZES
        figures |= seconds(policies, sizes, Path(folder) / "time", embedder)
    print(json.dumps(figures)) if options.json else show(figures)


if __name__ == "__main__":
    main()
