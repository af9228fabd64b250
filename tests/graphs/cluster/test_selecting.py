"""Selecting from a general corpus in a bucket, on a real cluster of Ray."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from elenchus.errors import UserError
from elenchus.progress import Unseen
from retrieval.selection import addresses, cluster, shards, workers
from retrieval.selection import select as selection
from retrieval.selection.scores import score_apart
from tests.retrieval.selection import s3
from tests.retrieval.selection.test_addresses import parquet
from tests.retrieval.selection.test_selection import Quiet, config, general, write_domain


@pytest.fixture(scope="module")
def bucket() -> Iterator[s3.Bucket]:
    """A bucket, whose keys are in the environment before the nodes begin."""
    with pytest.MonkeyPatch.context() as patch, s3.served() as served:
        for name, value in s3.KEYS.items():
            patch.setenv(name, value)
        for n in range(3):
            served[f"crawl/{n}.parquet"] = parquet(general(300, str(n))[0])
        yield served
    addresses.opened.cache_clear()


@pytest.fixture(scope="module")
def home(bucket: s3.Bucket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A domain, with the corpus on the disk, too."""
    home = tmp_path_factory.mktemp("selecting")
    write_domain(home)
    (home / "crawl").mkdir()
    for key, content in bucket.items():
        (home / key).write_bytes(content)
    return home


@pytest.fixture
def on_ray(bucket: s3.Bucket, cluster: Any, home: Path) -> Any:
    settings = config(
        home, general=[bucket.address("crawl")], workers=None, precision=0.8, sample=200
    )
    ray = settings.ray.model_copy(update={"address": cluster.address})
    return settings.model_copy(update={"engine": "ray", "ray": ray})


def test_the_same_is_selected_on_a_cluster_and_it_goes_on_after_a_stop(
    home: Path, on_ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PIECE", 30_000)  # of the driver: the workers are told the shards
    alone = config(home, general=["crawl"], workers=1, precision=0.8, sample=200)
    selection.select(alone, home, home / "alone", Quiet())
    out = home / "cluster"

    def stop() -> None:
        if len(list((out / "scores").glob("*.parquet"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        selection.select(on_ray, home, out, Quiet(stop))
    progress = Quiet()
    report = selection.select(on_ray, home, out, progress)
    assert any(said.startswith("2 of ") for said in progress.said)
    assert report.selected > 50
    first, second = (home / name / "selected.parquet" for name in ("alone", "cluster"))
    assert first.read_bytes() == second.read_bytes()
    scores = [sorted((home / n / "scores").iterdir()) for n in ("alone", "cluster")]
    assert len(scores[0]) == len(scores[1]) >= 6
    assert all(pq.read_table(a).equals(pq.read_table(b)) for a, b in zip(*scores, strict=True))


def test_a_lost_worker_costs_its_shard_alone(home: Path, on_ray: Any, tmp_path: Path) -> None:
    found, _ = shards.find(on_ray.selection.general, home, "selection.general")
    jobs = [workers.Job(n, found[0], 1000) for n in range(6)]
    done = list(workers.run(_dies_once, str(tmp_path), jobs, on_ray, Unseen(), "Read"))
    assert sorted(done) == list(range(6))
    begun = (tmp_path / "begun").read_text().split()
    assert sorted(begun) == [*"0122345"]


def _dies_once(folder: str, job: workers.Job, tell: Any) -> int:
    place = Path(folder) / "begun"
    again = place.exists() and str(job.number) in place.read_text().split()
    with place.open("a") as file:
        file.write(f"{job.number}\n")
    if job.number == 2 and not again:
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number


def test_what_a_node_cannot_read_is_told(home: Path, bucket: s3.Bucket, on_ray: Any) -> None:
    found, _ = shards.find(on_ray.selection.general, home, "selection.general")
    bucket.gone.add("crawl/0.parquet")
    try:
        with pytest.raises(UserError, match=r"node \S+ of the cluster: .*crawl/0.parquet broke"):
            cluster.check(on_ray.ray, found, Unseen())
        with pytest.raises(UserError, match=r"crawl/0.parquet broke off"):
            jobs = [workers.Job(0, found[0], 1000)]
            list(workers.run(score_apart, None, jobs, on_ray, Unseen(), "Read"))
    finally:
        bucket.gone.clear()
