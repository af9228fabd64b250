"""A cluster of Ray: joined or begun, and looked at before anything is done on it.

Of Ray, nothing is loaded before it is needed: its import takes seconds.
"""

import os
import platform
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from elenchus import runs, templates
from elenchus.config import RayConfig
from elenchus.errors import UserError
from elenchus.printing import in_line
from elenchus.progress import Progress
from elenchus.records import digest

REACHED = 5.0  # seconds to wait for the address of a cluster
LOOKED = 180.0  # for the first answer of a node: it begins a process, which loads everything
FREE = 30.0  # for a CPU that is free
SHOWN = 300  # characters of what Ray says
_joined: RayConfig | None = None  # of the cluster that this process works on
Look = Callable[[Any], str]  # on a node: what keeps the work from it, "" where nothing does


class _Facts(NamedTuple):
    """What is found on a node: the versions there, and what keeps the work from it."""

    versions: Mapping[str, str]
    problem: str


def connect(config: RayConfig) -> Any:
    """Join the cluster, or begin one on this machine that ends with this process; return Ray.

    Raises:
        UserError: Ray is not installed, nothing answers, the cluster has another version of it, or
            this process works on another one already.
    """
    global _joined
    # What Ray would send to its makers, of every cluster that is begun.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError("engine: ray needs the package ray: pip install -e '.[ray]'") from error
    if ray.is_initialized():
        if _joined is not None and _joined.address != config.address:
            raise UserError(
                f"ray.address {config.address or 'null'}: this process works on another cluster "
                f"already, {_joined.address or 'one that it began'}: give all runs one address, or "
                "begin each by a command of its own"
            )
        return ray
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    # Even so it prints, among what a command prints, whatever goes wrong on a node (Ray 2.60).
    ray._private.worker._worker_logs_enabled = False
    try:
        if config.address is None:
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            _reach(config.address)
            ray.init(address=config.address, **quiet)
    except ConnectionError as error:
        raise _unreachable(str(config.address), error) from error
    except (RuntimeError, ValueError) as error:
        said = in_line(str(error), SHOWN)
        if "ersion mismatch" in said:
            raise UserError(
                f"version mismatch between driver and cluster: {said}; install the same versions"
            ) from error
        raise UserError(f"ray.address {config.address}: {said}") from error
    _joined = config
    return ray


def check_nodes(ray: Any, config: RayConfig, look: Look, argument: Any, progress: Progress) -> None:
    """Look at every node that workers may run on, and wait for room for one.

    Args:
        look: is called on each node, with the argument.

    Raises:
        UserError: a node has other versions, or a problem; or no CPU becomes free.
    """
    needed = _needed(config)
    with progress.stage("Look at the cluster"):
        nodes = [n for n in ray.nodes() if n["Alive"] and _fits(n["Resources"], needed)]
        if not nodes:
            raise UserError(
                f"no node of the cluster has {_listed(needed)}: add one, or ask for less"
            )
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Its process may become a worker, with all that it has loaded, but none that wants a GPU.
        once = 1 if config.gpus else 0
        work = ray.remote(num_cpus=0, max_retries=0, max_calls=once)(_look)
        looks = [
            work.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(look, argument)
            for node in nodes
        ]
        for node, looked in zip(nodes, looks, strict=True):  # one machine may have several
            address = node["NodeManagerAddress"]
            _check(address, _fetched(ray, looked, address))
        _wait_for_room(ray, needed, progress)


def versions() -> dict[str, str]:
    """Return what must be the same everywhere: equal versions of a clone may have other prompts."""
    found = {name: version for name, version in runs.versions().items() if name == "elenchus"}
    prompts = digest(" ".join(sorted(templates.hashes(None).values())))
    return found | {"Python": platform.python_version(), "prompts": prompts}


def room(ray: Any, config: RayConfig) -> int:
    """Return how many workers there is room for now."""
    available = ray.available_resources()
    return int(min(available.get(name, 0) // amount for name, amount in _needed(config).items()))


def _needed(config: RayConfig) -> dict[str, float]:
    return {"CPU": 1.0} | ({"GPU": config.gpus} if config.gpus else {})


def _fits(resources: Mapping[str, float], needed: Mapping[str, float]) -> bool:
    return all(resources.get(name, 0) >= amount for name, amount in needed.items())


def _listed(needed: Mapping[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in needed.items())


def _reach(address: str) -> None:
    """Find out whether anything listens at host:port: Ray itself would try for a minute."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> UserError:
    said = in_line(str(error), SHOWN).partition(". ")[0]  # then come flags of Ray's own programs
    return UserError(
        f"ray.address {address}: no cluster of Ray answers there ({said}); "
        "`ray start --head` begins one, and this machine must have joined it"
    )


def _fetched(ray: Any, looked: Any, address: str) -> _Facts:
    """Return what a look at a node has found.

    Raises:
        UserError: the node does not answer, or has no Elenchus of this version.
    """
    try:
        facts: _Facts = ray.get(looked, timeout=LOOKED)
    except ray.exceptions.GetTimeoutError as error:
        raise UserError(
            f"node {address} of the cluster has not answered in {LOOKED:g} s"
        ) from error
    except ray.exceptions.RayError as error:
        said = in_line(str(error).strip().splitlines()[-1], SHOWN)
        raise UserError(
            f"node {address} of the cluster cannot run this version of Elenchus ({said}): install "
            "the same one there"
        ) from error
    return facts


def _look(look: Look, argument: Any) -> _Facts:
    return _Facts(versions(), look(argument))


def _check(address: str, found: _Facts) -> None:
    ours = versions()
    wrong = [name for name in ours if found.versions.get(name) != ours[name]]
    if wrong:
        told = "; ".join(f"{n}: {ours[n]} here, {found.versions.get(n)} there" for n in wrong)
        raise UserError(
            f"version mismatch between driver and cluster, on node {address}: {told}; install the "
            "same versions"
        )
    if found.problem:
        raise UserError(f"node {address} of the cluster: {found.problem}")


def _wait_for_room(ray: Any, needed: Mapping[str, float], progress: Progress) -> None:
    """Wait until a worker could begin; UserError where others hold everything."""
    end, said = time.monotonic() + FREE, False
    while not _fits(ray.available_resources(), needed):
        if time.monotonic() > end:
            raise UserError(
                f"the cluster has no {_listed(needed)} free: wait for its other work, or add a node"
            )
        if not said:
            progress.say(f"waiting for {_listed(needed)} of the cluster to become free")
            said = True
        time.sleep(0.2)
