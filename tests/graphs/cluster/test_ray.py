"""Examinations on a real cluster of Ray: two nodes, on this machine."""

import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import elenchus.cluster
from elenchus import runs
from elenchus.errors import Interrupted, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.records import Examination
from elenchus.runs import RunFolder
from graphs import runner
from graphs.cluster import nodes
from graphs.config import load
from tests.conftest import records
from tests.graphs.cluster.conftest import Watching, launch, only

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture
def on_ray(cluster: Any) -> tuple[str, ...]:
    return "engine=ray", f"ray.address={cluster.address}"


def config_of(home: Path, *changes: str) -> Any:
    return load(home / "domain.yaml", None, list(changes))


def answered(run: RunFolder) -> int:
    """Return how many calls were answered."""
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        return ledger.usage()[0]


def examined(run: RunFolder) -> int:
    """Return how many examinations are in the ledger."""
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        return ledger.count(Examination)


def wait_for_cpus(count: int) -> None:
    import ray

    end = time.monotonic() + 30
    while ray.available_resources().get("CPU", 0) < count:
        assert time.monotonic() < end, "workers are still there"


def test_a_cluster_with_no_cpu_free_is_said(
    home: Path, on_ray: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.util import placement_group, remove_placement_group

    monkeypatch.setattr(elenchus.cluster, "FREE", 0.3)
    ray = elenchus.cluster.connect(config_of(home, *on_ray).ray)
    wait_for_cpus(2)
    taken = placement_group([{"CPU": 1}] * 2)
    ray.get(taken.ready())
    watching = Watching()
    with pytest.raises(UserError, match="the cluster has no 1 CPU free"):
        nodes.check_cluster(config_of(home, *on_ray), watching)
    assert watching.said == ["waiting for 1 CPU of the cluster to become free"]
    remove_placement_group(taken)
    wait_for_cpus(2)


def test_a_worker_without_the_students_weights_is_named(
    home: Path, on_ray: tuple[str, ...]
) -> None:
    config = config_of(home, *on_ray, f"student.model=hf:{home / 'nothing'}")
    with pytest.raises(
        UserError, match=r"node \S+ of the cluster: student.model: hf:\S+ is no fold"
    ):
        nodes.check_cluster(config, Unseen())


def test_other_versions_on_the_cluster_are_named(
    home: Path, on_ray: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "versions", lambda: {"elenchus": "99.0"})
    with pytest.raises(UserError, match=r"version mismatch .*, on node .*99\.0 here"):
        nodes.check_cluster(config_of(home, *on_ray), Unseen())


def test_a_run_that_is_interrupted_and_loses_a_node_makes_the_same_dataset(
    home: Path,
    alone: RunFolder,
    cluster: Any,
    on_ray: tuple[str, ...],
    interruptible: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C ends the workers, a resume goes on, and what a lost node had to do, others do.

    The dataset is that of a run on one machine, and so is every record.
    """
    first = Watching(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        launch(home, "on-ray", first, *on_ray)
    assert "examinations are made by 2 workers of Ray" in first.said
    wait_for_cpus(2)
    run = only(home, "on-ray")
    assert 0 < examined(run) < examined(alone)

    node = cluster.list_all_nodes()[-1]
    then = Watching(examined(run) + 1, lambda: cluster.remove_node(node, allow_graceful=False))
    assert runner.resume(run, then).examples == 14
    assert any("a worker of the cluster was lost" in said for said in then.said)
    assert records(run.path) == records(alone.path)
    assert answered(run) == answered(alone)
    for name in ("train.jsonl", "held-out.jsonl", "rejected.jsonl"):
        assert (run.dataset / name).read_bytes() == (alone.dataset / name).read_bytes()
    assert capfd.readouterr().out == ""  # Ray has nothing to say amid what a command prints
