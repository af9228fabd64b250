"""Runs the adaptation graph on a run folder, from the start or from where it stopped."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from agents.models import weights
from elenchus import runs
from elenchus.config import DomainConfig, ModelConfig
from elenchus.errors import Interrupted, RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.message_records import IndicatorList
from elenchus.records import Failure, Point
from graphs import curation, sources
from graphs.adaptation import build_graph
from graphs.checkpoints import checkpoints
from graphs.checks import check_classifiers, check_models, check_pretraining
from graphs.context import Context, Progress
from graphs.indicators import build_graph as build_indicators
from graphs.passages import build_graph as build_passages
from graphs.rewriting import build_graph as build_rewriting
from graphs.state import AdaptationState
from graphs.updating import build_graph as build_updating
from retrieval import selection
from retrieval.embedding import check_embedding, check_reranker, located
from retrieval.index import Index
from training import lora

GRAPHS: dict[str, Callable[[], StateGraph[Any, Context, Any, Any]]] = {
    "examination": build_graph,
    "rewriting": build_rewriting,
    "indicators": build_indicators,
    "passages": build_passages,
    "update": build_updating,
}
STEPS = 10_000  # LangGraph's guard against loops; ours end by rules of their own
INTERRUPT = "__interrupt__"  # the channel of LangGraph that says what a node waits for
Result = dict[str, Any]


def launch(
    config: DomainConfig,
    folder: Path,
    root: Path,
    profile: str | None,
    progress: Progress,
    reuse: runs.RunFolder | None = None,
) -> Result:
    """Start a new run of the domain in `folder`, below `root`, and see it to its end.

    Calls that the run `reuse` has made already are not made again.

    Raises:
        UserError: something given cannot be used; when that shows before the first question is
            asked, no run folder is left behind.
    """
    if reuse is not None and not reuse.ledger.exists():
        raise UserError(f"run {reuse.id} has made no calls: there is nothing to reuse")
    corpus = check(config, folder, progress)
    config = _from_anywhere(config)
    reused = reuse.path.resolve() if reuse is not None else None
    own = sources.are_own(config, folder, profile)
    run = runs.create(root, config, folder, profile, corpus, reuses=reused, own_sources=own)
    return _begun(run, progress)


def update(earlier: runs.RunFolder, root: Path, progress: Progress) -> Result:
    """Go on from a finished run, in a new one, where the documents have changed since.

    Raises:
        UserError: the run is not finished, nothing has changed, or something it needs is gone.
    """
    if not earlier.result.exists():
        raise UserError(f"run {earlier.id} is not finished: `{earlier.command('resume')}` first")
    folder = earlier.domain_folder()
    config = sources.present(earlier)
    if config.method != "examination":
        raise UserError(f"runs of method {config.method} cannot be updated: launch another one")
    ended_with = json.loads(earlier.result.read_text(encoding="utf-8"))["adapter"]
    if ended_with and not (earlier.path / ended_with).is_dir():
        raise UserError(f"run {earlier.id} has no {ended_with} any more: launch a new run")
    corpus = check(config, folder, progress, strict=False)
    if corpus == earlier.manifest()["corpus"]:
        raise UserError(f"the documents are as they were for run {earlier.id}: nothing to update")
    manifest = earlier.manifest()
    profile, own = manifest["profile"], manifest.get("own_sources", False)
    run = runs.create(root, config, folder, profile, corpus, earlier.id, own_sources=own)
    return _begun(run, progress)


def _begun(run: runs.RunFolder, progress: Progress) -> Result:
    """See a new run to its end; without a trace where it could not even begin."""
    try:
        with runs.explained(run.path), run.locked():
            return _see_through(run, progress)
    except RunStopped:
        raise
    except UserError:
        if not _worth_keeping(run):
            shutil.rmtree(run.path)
        raise


def resume(run: runs.RunFolder, progress: Progress, budget: dict[str, Any] | None = None) -> Result:
    """Go on with a run where it stopped, with other caps where `budget` has some.

    Raises:
        UserError: the run is finished, another process has it, or a model cannot be used.
        RunStopped: the budget is used up, or a server is gone; all that was done is kept.
        Interrupted: Ctrl-C; likewise.
    """
    with runs.explained(run.path), run.locked():
        if run.result.exists():
            raise UserError(
                f"run {run.id} is finished; `{run.command('trace')}` shows it, "
                "`elenchus launch` starts another"
            )
        check_models(run.config(budget))
        if budget:  # only now: a cap that cannot be watched must not stay with the run
            run.set_budget(budget)
        if changed := run.changed():
            progress.say(f"changed since the launch: {', '.join(changed)}")
        sources.tell_changes(run, progress)
        return _see_through(run, progress)


def _from_anywhere(config: DomainConfig) -> DomainConfig:
    """The configuration with paths that do not depend on where a resume is started."""
    retrieval = {
        "index": str(Path(config.retrieval.index).resolve()),
        "embedding": located(config.retrieval.embedding),
        "reranker": config.retrieval.reranker and located(config.retrieval.reranker),
    }
    listing = [_placed(settings) for settings in config.indicators.models]
    author = _placed(config.generation.author)
    changes: dict[str, Any] = {
        "retrieval": config.retrieval.model_copy(update=retrieval),
        "indicators": config.indicators.model_copy(update={"models": listing}),
        "generation": config.generation.model_copy(update={"author": author}),
        "models": {_whole(name): limits for name, limits in config.models.items()},
    }
    for role in ("expert", "examiner", "grader", "student"):
        changes[role] = _placed(getattr(config, role))
    return config.model_copy(update=changes)


def _placed(settings: ModelConfig) -> ModelConfig:
    return settings.model_copy(update={"model": _whole(settings.model)})


def _whole(model: str) -> str:
    """The name of a model, with the whole path where it is a folder's."""
    provider, _, name = model.partition(":")
    return f"hf:{Path(name).resolve()}" if provider == "hf" and Path(name).is_dir() else model


def _see_through(run: runs.RunFolder, progress: Progress) -> Result:
    """Run the graph to its end; the run is locked and its models are known to be there."""
    context = Context(run, run.config(), run.domain_folder(), Ledger(run.ledger), progress)
    try:
        _adopt(context)
        asyncio.run(_go(context))
    except KeyboardInterrupt:
        raise Interrupted(run.command("resume")) from None
    except RunStopped as stopped:
        raise RunStopped(_how_to_go_on(context, str(stopped))) from None
    finally:
        context.close()
    result: Result = json.loads(run.result.read_text(encoding="utf-8"))
    return result


def check(config: DomainConfig, folder: Path, progress: Progress, strict: bool = True) -> str:
    """Find what can be known to be wrong before anything is made; the corpus's fingerprint.

    Not strict, hand-written questions may quote what no document says any more.

    Raises:
        UserError: documents, models, weights or the hand-written exam cannot be used.
    """
    if config.method == "indicators":
        corpus = sources.of_messages(config, folder)
        check_classifiers(config)
    else:
        asked = sources.problems_of(config, folder)
        corpus = sources.of_documents(config, folder, progress, strict) + sources.of_problems(asked)
        if config.training.enabled:
            weights(config.student)
        if config.method == "passages":
            check_pretraining(config, asked)
            selection.check(config, folder, progress)
    check_models(config)
    if config.training.enabled and config.method == "examination":
        lora.check(weights(config.student))
    check_embedding(config.retrieval.embedding)
    check_reranker(config.retrieval.reranker)
    return corpus


def is_same(run: runs.RunFolder, config: DomainConfig, folder: Path) -> bool:
    """Whether a run has exactly these settings, and what it reads is as it was."""
    if config.method == "indicators":
        present = sources.of_messages(config, folder)
    else:
        index = Index(config, folder)
        try:
            index.read(lambda done, total: None)
            present = index.fingerprint() + sources.of_problems(sources.problems_of(config, folder))
        finally:
            index.close()
    wanted = (_from_anywhere(config).model_dump(mode="json", exclude={"profiles"}), present)
    manifest = run.manifest()
    return wanted == (manifest["config"], manifest["corpus"])


def make_graph() -> CompiledStateGraph[AdaptationState, Context, AdaptationState, AdaptationState]:
    """The graph for a LangGraph server, which brings its own checkpointer."""
    return build_graph().compile()


async def _go(context: Context) -> None:
    thread: Any = {
        "configurable": {"thread_id": context.folder.id},
        "recursion_limit": STEPS,
    }
    async with checkpoints(context.folder.checkpoints, context.ledger) as saver:
        updates = context.folder.updates() is not None
        build = GRAPHS["update" if updates else context.config.method]
        graph = build().compile(checkpointer=saver)
        begun = await saver.aget_tuple(thread)
        context.resumed = begun is not None
        start: Any = None if begun else {"round": 0}
        if begun and any(channel == INTERRUPT for _, channel, _ in begun.pending_writes or ()):
            start = Command(resume=True)  # whoever resumes has done what was waited for
        try:
            left = await graph.ainvoke(start, thread, context=context, durability="sync")
        finally:
            await context.disconnect()
        for waiting in left.get(INTERRUPT, ()):
            raise RunStopped(str(waiting.value))


def _adopt(context: Context) -> None:
    """Take over an earlier run's calls, and what its searches found in the same passages.

    Each time, since a kill may have come before: those that are here already are left alone.
    """
    run, earlier = context.folder, context.folder.reuses()
    if earlier is None:
        return
    if not earlier.ledger.exists():
        context.progress.say(f"run {earlier.id}, whose calls were to be reused, is gone")
        return
    one, two = context.config, earlier.config()
    same = run.manifest()["corpus"] == earlier.manifest()["corpus"]
    same = same and (one.retrieval, one.corpus) == (two.retrieval, two.corpus)
    context.ledger.adopt(earlier.ledger, searches=same)


def _how_to_go_on(context: Context, reason: str) -> str:
    """What a run that had to stop leaves behind, and the command that continues it."""
    kept = curation.keep_so_far(context) if context.config.method == "examination" else 0
    where = f"; the dataset so far has {kept} examples ({context.folder.dataset})" if kept else ""
    key = reason.partition(" ")[0].removeprefix("budget.")
    more = f"--budget {key}=…" if reason.startswith("budget.") else ""
    return f"{reason}{where}. `{context.folder.command('resume', more)}` goes on"


def _worth_keeping(run: runs.RunFolder) -> bool:
    """Whether a run that cannot go on has anything to look at, or anything that was paid for."""
    if not run.ledger.exists():
        return False
    ledger = Ledger(run.ledger, read_only=True)
    try:
        paid = any(not spent.model.startswith("builtin:") for spent in ledger.spent())
        return paid or any(ledger.count(kind) for kind in (Point, IndicatorList, Failure))
    except sqlite3.DatabaseError:  # not even its tables could be made
        return False
    finally:
        ledger.close()
