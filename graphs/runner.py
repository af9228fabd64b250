"""Runs a method's graph on a run folder, from the start or from where it stopped."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command
from pydantic import ValidationError

from agents.prompting import Subject
from elenchus import postgres, runs, telemetry
from elenchus.errors import DatabaseGone, Interrupted, RunStopped, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Progress, Unseen
from elenchus.records import Failure
from elenchus.results import Result
from elenchus.runs import RunFolder
from elenchus.sections import ModelConfig
from graphs import own_tests, spans
from graphs.changes import named_sources, say_changes, with_present_sources, without_exam
from graphs.checkpoints import checkpoints
from graphs.cluster.nodes import check_cluster
from graphs.concurrency import run_to_end
from graphs.config import ROLES, DomainConfig, of_run, taken
from graphs.general import general
from graphs.integrity import check_finished, check_ledger, check_whole
from graphs.methods import method_of
from graphs.preflight import check_adapters, check_models
from graphs.services import RunRef, Services
from graphs.shared import Shared
from models.backend import backend
from retrieval.embedding import located
from training.checks import check_processes, check_trackers

STEPS = 10_000  # LangGraph's guard against loops; ours end by rules of their own
Graph = CompiledStateGraph[Any, RunRef, Any, Any]
INTERRUPT = "__interrupt__"  # the channel of LangGraph that says what a node waits for


def launch(
    config: DomainConfig,
    folder: Path,
    root: Path,
    profile: str | None,
    progress: Progress,
    reuse: RunFolder | None = None,
) -> Result:
    """Start a new run of the domain in `folder`, below `root`, and see it to its end.

    Calls that the run `reuse` has made already are not made again.

    Raises:
        UserError: something given cannot be used; when that shows before the first question is
            asked, no run folder is left behind.
    """
    return _begun(create(config, folder, root, profile, progress, reuse), progress)


def create(
    config: DomainConfig,
    folder: Path,
    root: Path,
    profile: str | None,
    progress: Progress,
    reuse: RunFolder | None = None,
) -> RunFolder:
    """Make the folder of a new run, once everything that it needs was found: see `launch`."""
    if reuse is not None:
        if not reuse.ledger.exists():
            raise UserError(f"run {reuse.id} has made no calls: there is nothing to reuse")
        check_ledger(reuse)
    corpus = look_through(config, folder, root, progress)
    return make(config, folder, root, profile, corpus, reuse)


def look_through(config: DomainConfig, folder: Path, root: Path, progress: Progress) -> str:
    """Look for what would keep a new run below `root` from its end; the corpus's fingerprint.

    Raises:
        UserError: see `check`; or the student's server would not take an adapter.
    """
    corpus = check(config, folder, progress)
    check_adapters(config, root)
    if said := taken(config):
        progress.say(said)
    return corpus


def make(
    config: DomainConfig,
    folder: Path,
    root: Path,
    profile: str | None,
    corpus: str,
    reuse: RunFolder | None = None,
) -> RunFolder:
    """Make the folder of a new run of what was looked through."""
    reused = reuse.path.resolve() if reuse is not None else None
    own = _own_sources(config, folder, profile)
    placed = _from_anywhere(config)
    return runs.create(root, placed, folder, profile, corpus, reuses=reused, own_sources=own)


def update(earlier: RunFolder, root: Path, progress: Progress) -> Result:
    """Go on from a finished run, in a new one, where the documents have changed since.

    Raises:
        UserError: the run is not finished, nothing has changed and no user has kept a question, or
            something it needs is gone.
    """
    return _begun(create_update(earlier, root, progress), progress)


def create_update(earlier: RunFolder, root: Path, progress: Progress) -> RunFolder:
    """Make the folder of a run that goes on from a finished one: see `update`."""
    check_finished(earlier)
    folder, config = earlier.domain_folder(), with_present_sources(earlier)
    method = method_of(config.method)
    if method.update_graph() is None:
        raise UserError(f"runs of method {config.method} cannot be updated: launch another one")
    adapter = getattr(read_result(earlier), "adapter", "")
    if adapter and not (earlier.path / adapter).is_dir():
        raise UserError(f"run {earlier.id} has no {adapter} any more: launch a new run")
    corpus = check(config, folder, progress, strict=False)
    check_adapters(config, root)
    manifest = earlier.manifest()
    if corpus == manifest["corpus"] and not method.has_more(earlier):
        raise UserError(f"the documents are as they were for run {earlier.id}: nothing to update")
    profile, own = manifest["profile"], manifest.get("own_sources", False)
    return runs.create(root, config, folder, profile, corpus, earlier.id, own_sources=own)


def resume(run: RunFolder, progress: Progress, budget: dict[str, Any] | None = None) -> Result:
    """Go on with a run where it stopped, with other caps where `budget` has some.

    Raises:
        UserError: the run is finished, another process has it, or a model cannot be used.
        RunStopped: the budget is used up, or a server is gone; all that was done is kept.
        Interrupted: Ctrl-C; likewise.
    """
    with runs.explained(run.path), run.locked():
        if run.result.exists():
            read_result(run)
            raise UserError(
                f"run {run.id} is finished; `{run.command('trace')}` shows it, "
                "`elenchus launch` starts another"
            )
        check_interrupted(run, progress, budget)
        if budget:  # only now: a cap that cannot be watched must not stay with the run
            run.set_budget(budget)
        say_changes(run, progress)
        return _see_through(run, progress)


def check_interrupted(
    run: RunFolder, progress: Progress, budget: dict[str, Any] | None = None
) -> None:
    """Find what keeps a run that is locked from going on, with other caps where there are some.

    Raises:
        UserError: a file of it is damaged, or a model cannot be used.
    """
    check_whole(run)
    config = of_run(run, budget)
    check_trackers(config.training)
    check_models(config)
    check_adapters(config, run.path.parent)
    check_cluster(config, progress)


def check(config: DomainConfig, folder: Path, progress: Progress, strict: bool = True) -> str:
    """Find what can be known to be wrong before anything is made; the corpus's fingerprint.

    Not strict, hand-written questions may quote what no document says any more.

    Raises:
        UserError: prompts, documents, models, weights or the hand-written exam cannot be used.
    """
    postgres.opened()
    telemetry.check(config.telemetry)
    Subject.of(config, folder).check()
    method = method_of(config.method)
    corpus = method.fingerprint(config, folder, progress, strict)
    general(config, folder)
    check_trackers(config.training)
    check_processes(config.training)
    method.check(config, folder, progress)
    own_tests.check(config, folder, method)
    check_models(config)
    check_cluster(_from_anywhere(config), progress)
    return corpus


def is_same(run: RunFolder, config: DomainConfig, folder: Path) -> bool:
    """Tell whether a run has exactly these settings, and what it reads is as it was."""
    present = method_of(config.method).fingerprint(without_exam(config), folder, Unseen())
    settings = _from_anywhere(config).model_dump(mode="json", exclude={"profiles"})
    wanted = {"config": settings, "corpus": present, "prompts": runs.prompt_hashes(folder)}
    manifest = run.manifest()
    return all(manifest[part] == value for part, value in wanted.items())


def read_result(run: RunFolder) -> Result:
    """Return what a finished run came to."""
    method = method_of(run.manifest()["config"]["method"])
    try:
        return method.result.model_validate_json(run.result.read_bytes())
    except (ValidationError, OSError) as error:
        raise UserError(
            f"{run.result} is damaged: remove it; `{run.command('resume')}` writes it anew"
        ) from error


def _begun(run: RunFolder, progress: Progress) -> Result:
    """See a new run to its end; without a trace where it could not even begin."""
    try:
        with runs.explained(run.path), run.locked():
            return _see_through(run, progress)
    except RunStopped:
        raise
    except UserError:
        if not worth_keeping(run):
            run.remove()
        raise


def _see_through(run: RunFolder, progress: Progress) -> Result:
    """Run the graph to its end; the run is locked and its models are known to be there."""
    try:
        run_to_end(lambda: work(run, compiled(run), progress))
    except KeyboardInterrupt:
        raise Interrupted(run.command("resume")) from None
    return read_result(run)


def compiled(run: RunFolder) -> Graph:
    """Compile the graph of a run, without a checkpointer."""
    method = method_of(run.manifest()["config"]["method"])
    built = method.graph() if run.updates() is None else method.update_graph()
    assert built is not None  # `create_update` has seen to it
    return built.compile()


async def work(
    run: RunFolder, graph: Graph, progress: Progress, shared: Shared | None = None
) -> None:
    """Run a compiled graph on a run folder, from the start or from where it stopped.

    Without what it shares with other runs, it wants an event loop of its own (see `own_tasks`).

    Raises:
        RunStopped: the budget is used up, a server is gone, or a person is waited for; the message
            says how to go on.
    """
    config = of_run(run)
    with telemetry.traced(config.telemetry, run.path, progress.say, *spans.of_run(run, config)):
        if shared is not None:
            await _work(run, config, graph, progress, shared)
            return
        with closing(Shared.of([run], progress.say)) as own:
            await _work(run, config, graph, progress, own)


async def _work(
    run: RunFolder, config: DomainConfig, graph: Graph, progress: Progress, shared: Shared
) -> None:
    services = Services(run, config, run.domain_folder(), Ledger(run.ledger), progress, shared)
    services.ledger.tell(progress.say)
    try:
        services.subject.check()  # all templates are read now: none changes under way
        _adopt(services)
        await _go(services, graph)
    except RunStopped as stopped:
        raise RunStopped(_how_to_go_on(services, stopped), shared=stopped.shared) from None
    finally:
        services.close()


async def _go(services: Services, graph: Graph) -> None:
    folder = services.folder
    thread: Any = {"configurable": {"thread_id": folder.id}, "recursion_limit": STEPS}
    async with checkpoints(folder.checkpoints, services.ledger) as saver:
        graph = graph.copy({"checkpointer": saver})
        begun = await saver.aget_tuple(thread)
        services.resumed = begun is not None or services.ledger.usage()[0] > 0
        start: Any = None if begun else {"round": 0}
        if begun and any(channel == INTERRUPT for _, channel, _ in begun.pending_writes or ()):
            start = Command(resume=True)  # whoever resumes has done what was waited for
        with services.registered() as ref:
            try:
                if begun and not (await graph.aget_state(thread)).next:
                    thread |= await _before_the_end(graph, thread)  # its result is gone
                left = await graph.ainvoke(start, thread, context=ref, durability="sync")
            finally:
                await services.disconnect()
        for waiting in left.get(INTERRUPT, ()):
            raise RunStopped(str(waiting.value))


async def _before_the_end(graph: Graph, thread: Any) -> dict[str, Any]:
    """Return where the last node of a finished run began."""
    async for state in graph.aget_state_history(thread):
        if state.next:
            return {"configurable": state.config["configurable"]}
    return {}


def _from_anywhere(config: DomainConfig) -> DomainConfig:
    """Return the configuration with paths that do not depend on where a resume is started."""
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
        "models": {backend(name).placed(name): limits for name, limits in config.models.items()},
    }
    for role in ROLES:
        changes[role] = _placed(getattr(config, role))
    return config.model_copy(update=changes)


def _placed(settings: ModelConfig) -> ModelConfig:
    own = backend(settings.model)
    placed = {
        "model": own.placed(settings.model),
        "options": own.placed_options(settings.options),
    }
    return settings.model_copy(update=placed)


def _own_sources(config: DomainConfig, folder: Path, profile: str | None) -> bool:
    """Tell whether the sources are not those that the domain.yaml of the folder names."""
    try:
        return config.corpus.sources != named_sources(folder, profile)
    except UserError:  # it is another file of the folder that was given
        return True


def _adopt(services: Services) -> None:
    """Take over an earlier run's calls, and what its searches found in the same passages.

    Each time, since a kill may have come before: those that are here already are left alone.
    """
    run, earlier = services.folder, services.folder.reuses()
    if earlier is None:
        return
    if not earlier.ledger.exists():
        services.progress.say(f"run {earlier.id}, whose calls were to be reused, is gone")
        return
    services.ledger.adopt(earlier.ledger, searches=_searches_alike(run, earlier))


def _searches_alike(run: RunFolder, earlier: RunFolder) -> bool:
    """Tell whether two runs search the same passages in the same way."""
    try:
        one, two = of_run(run), of_run(earlier)
    except UserError:  # of a run whose settings are gone the calls are still of use
        return False
    same = run.manifest()["corpus"] == earlier.manifest()["corpus"]
    return same and (one.retrieval, one.corpus) == (two.retrieval, two.corpus)


def _how_to_go_on(services: Services, stopped: RunStopped) -> str:
    """Return what a run that had to stop leaves behind, and the command that continues it."""
    is_there = not isinstance(stopped, DatabaseGone)
    kept = method_of(services.config.method).keep_so_far(services) if is_there else ""
    more = f"--budget {stopped.cap}=…" if stopped.cap else ""
    if stopped.shared:
        return f"{stopped}. `{runs.command('resume', services.folder.together(), more)}` goes on"
    where = f"; {kept}" if kept else ""
    return f"{stopped}{where}. `{services.folder.command('resume', more)}` goes on"


def worth_keeping(run: RunFolder) -> bool:
    """Tell whether a run that cannot go on has anything to look at, or that was paid for."""
    if not run.ledger.exists():
        return False
    method = method_of(run.manifest()["config"]["method"])
    try:
        with closing(Ledger(run.ledger, read_only=True)) as ledger:
            paid = any(not backend(spent.model).constant for spent in ledger.spent())
            return paid or any(ledger.count(kind) for kind in (method.found, Failure))
    except (sqlite3.DatabaseError, UserError):  # not even its tables could be made
        return False
