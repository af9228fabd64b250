"""Work on the shards of a corpus as tasks of Ray Data, one task a shard.

A task whose worker or node is lost is done again by Ray; nothing else is.
"""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from importlib import util
from typing import Any

from elenchus.cluster import SHOWN, check_nodes, connect
from elenchus.config import RayConfig
from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.progress import Progress
from retrieval import rows
from retrieval.selection.shards import Shard, missing_package

Work = Callable[[Any, Any, Callable[[int], None]], Any]


def check(config: RayConfig, shards: Sequence[Shard], progress: Progress) -> None:
    """Look whether every node of the cluster can read a corpus, one shard of each source.

    Raises:
        UserError: there is no cluster, or no node with a CPU; a node has other versions, lacks a
            package, or cannot open a shard.
    """
    samples = {str(shard.source): shard for shard in reversed(shards)}.values()
    ray = connect(config)
    if util.find_spec("pandas") is None:
        raise UserError("engine: ray needs Ray Data: pip install -e '.[ray]'")
    on_cpus = config.model_copy(update={"gpus": 0})
    check_nodes(ray, on_cpus, look, [*samples], progress)


def look(shards: Sequence[Shard]) -> str:
    """Look, on a node, whether it can read shards; return what is wrong, "" where nothing is."""
    if problem := missing_package():
        return problem
    for shard in shards:
        try:
            if shard.path is not None:
                shard.open().close()
        except UserError as error:
            return str(error)
        except OSError as error:
            return f"{shard.name} cannot be read there: {rows.damage(error)}"
    return ""


def run(
    work: Work, shared: Any, jobs: Sequence[Any], config: RayConfig
) -> Iterator[tuple[int, Any]]:
    """Yield the result of each job with its place among the jobs, as they finish.

    Args:
        work: a function of a module; see `workers.run`.
        shared: what all jobs need; each node gets it once.

    Raises:
        UserError: a job's, or the cluster was lost.
    """
    ray = connect(config)
    from ray import data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    items = [{"place": n, "job": pickle.dumps(job)} for n, job in enumerate(jobs)]
    tasks = data.from_items(items, override_num_blocks=len(items))
    # The shared part is given as a reference: a node fetches it once, for all its tasks.
    done = tasks.map(_task, fn_args=(work, ray.put(shared)), concurrency=config.workers)
    try:
        for row in done.iter_rows():
            result = pickle.loads(row["result"])
            if isinstance(result, UserError):
                raise result
            yield row["place"], result
    except ray.exceptions.RayTaskError:  # a mistake in the work itself
        raise
    except ray.exceptions.RayError as error:
        said = in_line(str(error).strip().splitlines()[-1], SHOWN)
        raise UserError(f"the cluster failed: {said}; the same command goes on") from error


def _task(row: dict[str, Any], work: Work, shared: Any) -> dict[str, Any]:
    """Do a job on a worker. A UserError is a result: Ray would wrap it, and try again."""
    import ray

    try:
        result = work(ray.get(shared), pickle.loads(row["job"]), lambda read: None)
    except UserError as error:
        result = error
    return {"place": row["place"], "result": pickle.dumps(result)}
