"""Examinations on a real cluster of Ray: two nodes, on this machine."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from elenchus import runs
from elenchus.config import RayConfig
from elenchus.errors import Interrupted, UserError
from elenchus.ledger import Ledger
from elenchus.progress import Unseen
from elenchus.runs import RunFolder
from graphs import runner
from graphs.cluster import nodes
from graphs.config import load, validate
from tests.conftest import records
from tests.graphs.cluster.conftest import Watching, launch, only

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture
def on_ray(cluster: Any) -> tuple[str, ...]:
    return "engine=ray", f"ray.address={cluster.address}"


def config_of(home: Path, *changes: str) -> Any:
    return load(home / "domain.yaml", None, list(changes))


def paid(run: RunFolder) -> tuple[int, int]:
    """Return how many calls were answered, and how many were paid for beside them."""
    with closing(Ledger(run.ledger, read_only=True)) as ledger:
        return ledger.usage()[0], sum(spent.calls for spent in ledger.unanswered())


def wait_for_cpus(count: int) -> None:
    import ray

    end = time.monotonic() + 30
    while ray.available_resources().get("CPU", 0) < count:
        assert time.monotonic() < end, "workers are still there"


@pytest.fixture
def interrupted(
    home: Path, on_ray: tuple[str, ...], interruptible: None
) -> Iterator[tuple[RunFolder, Watching]]:
    """A run on one worker that Ctrl-C ended in the middle of its round."""
    watching = Watching(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        launch(home, "interrupted", watching, *on_ray, "ray.workers=1")
    yield only(home, "interrupted"), watching


def test_a_run_that_is_interrupted_ends_its_workers_and_goes_on(
    alone: RunFolder, interrupted: tuple[RunFolder, Watching]
) -> None:
    run, watching = interrupted
    assert "examinations are made by 1 workers of Ray" in watching.said
    wait_for_cpus(2)
    done = len(records(run.path))
    assert done < len(records(alone.path))
    assert runner.resume(run, Unseen()).examples == 8
    assert records(run.path) == records(alone.path)
    assert paid(run)[0] == paid(alone)[0]


def test_a_cluster_with_no_cpu_free_is_said(
    home: Path, on_ray: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.util import placement_group, remove_placement_group

    monkeypatch.setattr(nodes, "FREE", 0.3)
    ray = nodes.connect(config_of(home, *on_ray).ray)
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


def test_a_lost_node_costs_only_what_it_had_under_way(
    home: Path, alone: RunFolder, cluster: Any, on_ray: tuple[str, ...]
) -> None:
    """The dataset is that of a run on one machine, and so is every record."""
    lost = cluster.list_all_nodes()[-1]
    watching = Watching(3, lambda: cluster.remove_node(lost, allow_graceful=False))
    run = launch(home, "lost", watching, *on_ray, "ray.workers=2", "ray.gpus=0")
    assert any("a worker of the cluster was lost" in said for said in watching.said)
    assert records(run.path) == records(alone.path)
    assert paid(run)[0] == paid(alone)[0]
    for name in ("train.jsonl", "held-out.jsonl", "rejected.jsonl"):
        assert (run.dataset / name).read_bytes() == (alone.dataset / name).read_bytes()


def test_a_cluster_that_does_not_answer_is_named() -> None:
    with pytest.raises(UserError, match=r"ray\.address 127\.0\.0\.1:9: no cluster of Ray"):
        nodes._reach("127.0.0.1:9")


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[ray\]'"):
        nodes.connect(RayConfig())


@pytest.mark.parametrize("address", ["here", "http://a:1", "a:0", "a:b", "ray://a:1"])
def test_an_address_that_none_can_have_is_refused(address: str) -> None:
    tree = {"domain": "d", "title": "t", "engine": "ray", "ray": {"address": address}}
    with pytest.raises(UserError, match=r"ray\.address: .*auto, or the host:port"):
        validate(tree, "here")


def test_methods_that_make_no_examinations_run_on_one_machine() -> None:
    tree = {"domain": "d", "title": "t", "engine": "ray", "method": "rewriting"}
    with pytest.raises(UserError, match="method: rewriting runs with engine: local only"):
        validate(tree, "here")
