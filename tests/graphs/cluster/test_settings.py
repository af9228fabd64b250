"""Settings of a cluster that are refused before anything begins."""

import sys

import pytest

from elenchus import cluster
from elenchus.config import RayConfig
from elenchus.errors import UserError
from elenchus.progress import Unseen
from graphs.cluster.nodes import check_cluster
from graphs.config import validate


def test_a_cluster_that_does_not_answer_is_named() -> None:
    pytest.importorskip("ray", reason="the package ray is not installed")
    with pytest.raises(UserError, match=r"ray\.address 127\.0\.0\.1:9: no cluster of Ray"):
        cluster.connect(RayConfig(address="127.0.0.1:9"))


def test_one_process_works_on_one_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Domains that are launched together may name different ones."""
    ray = pytest.importorskip("ray", reason="the package ray is not installed")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(cluster, "_joined", RayConfig(address="10.0.0.1:6379"))
    assert cluster.connect(RayConfig(address="10.0.0.1:6379", workers=2)) is ray
    for other in (RayConfig(), RayConfig(address="10.0.0.2:6379")):
        with pytest.raises(UserError, match=r"on another cluster already, 10\.0\.0\.1:6379: give"):
            cluster.connect(other)


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -e '\.\[ray\]'"):
        cluster.connect(RayConfig())


@pytest.mark.parametrize("address", ["here", "http://a:1", "a:0", "a:b", "ray://a:1"])
def test_an_address_that_none_can_have_is_refused(address: str) -> None:
    tree = {"domain": "d", "title": "t", "engine": "ray", "ray": {"address": address}}
    with pytest.raises(UserError, match=r"ray\.address: .*auto, or the host:port"):
        validate(tree, "here")


def test_methods_that_make_no_examinations_run_on_one_machine() -> None:
    tree = {"domain": "d", "title": "t", "engine": "ray", "method": "rewriting"}
    with pytest.raises(UserError, match="rewriting does not run with engine: ray; set local"):
        validate(tree, "here")


def test_passages_have_a_cluster_for_their_selection_alone() -> None:
    tree = {"domain": "d", "title": "t", "method": "passages", "engine": "ray"}
    config = validate(tree | {"ray": {"address": "127.0.0.1:9"}}, "here")
    check_cluster(config, Unseen())  # which nothing there answers
