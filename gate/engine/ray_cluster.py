"""The Ray cluster: joined where there is one, else started on this machine, and left as it was found.

No dashboard and no usage statistics. What runs in the cluster is not this module's business.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gate.errors import BrokenRun, ConfigError

_STORE_BYTES = 100_000_000
"""Shared memory of a cluster of our own. Prompts and answers pass through it, weights do not."""
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one machine of the cluster has."""

    cpus: int
    gpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How the cluster is divided among workers."""

    workers: int
    cpus: int
    """For each; 0 where each has a GPU."""
    gpus: int
    """For each."""


@contextmanager
def cluster(address: str, *, folder: Path) -> Iterator[Sequence[Node]]:
    """Join or start a cluster; what was started is stopped in the end, what was joined goes on.

    Args:
        address: `auto` (the one that RAY_ADDRESS names or that runs on this machine, else one of our own), `local`
            (one of our own), or where the cluster is.
        folder: Where one of our own keeps its files.

    Yields:
        Its machines.

    Raises:
        BrokenRun: If the cluster is not to be reached, or cannot be started.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when it is imported, and by the processes that it starts
    import ray

    found = _find(address)
    try:
        if found is not None:
            _join(ray, found, given=None if address == "auto" else address)
        else:
            _start(ray, folder)
        yield _nodes(ray)
    finally:
        ray.shutdown()


def _find(address: str) -> str | None:
    """Where the cluster is; None if one of our own is to be started.

    Ray's own `auto` would join any cluster on this machine, also one that another run has started for itself.
    """
    if address != "auto":
        return None if address == "local" else address
    from ray._private.services import get_ray_address_from_environment

    found: str | None = get_ray_address_from_environment(None, None)
    if found in (None, "auto", "local") or (not os.environ.get("RAY_ADDRESS") and not _answers(str(found))):
        return None  # the file that names a machine's cluster outlives a cluster that was killed
    return found


def _join(ray: Any, address: str, *, given: str | None) -> None:
    """Join a cluster. Told no address, Ray finds the same one, and trusts it with its token; others are not trusted."""
    advice = (
        "Start one with `ray start`, with the same versions of Ray and Python, or use `address: local`. "
        "A cluster that asks for a token needs RAY_AUTH_MODE=token."
    )
    if not _answers(address):  # Ray itself would try for minutes
        raise BrokenRun(f"engine.address: no Ray cluster answers at {address}", fix=advice)
    try:
        ray.init(address=given, log_to_driver=False, logging_level="ERROR")
    except Exception as problem:  # noqa: BLE001 - Ray raises its own and Python's, and nobody lists which
        raise BrokenRun(
            f"engine.address: the Ray cluster at {address} cannot be joined: {first_line(problem)}", fix=advice
        ) from None


def _answers(address: str) -> bool:
    """Whether anybody listens there; True where an address does not say where that is."""
    try:
        place = urlsplit(address if "://" in address else f"//{address}")
        if place.hostname is None or place.port is None:
            return True
        socket.create_connection((place.hostname, place.port), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _start(ray: Any, folder: Path) -> None:
    """Start one that listens on the loopback interface only, because Ray runs what anybody sends to its ports.

    It does so by itself where it knows no clusters of several machines: on macOS and Windows. The variable tells it
    that of this machine; the constant is what it made of the variable when it was imported.
    """
    from ray._private import ray_constants

    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=_STORE_BYTES,
            _temp_dir=str(folder),
        )
    except Exception as problem:  # noqa: BLE001 - among others a plain Exception, where starting takes too long
        raise BrokenRun(f"Ray cannot be started here: {first_line(problem)}") from None


def first_line(problem: BaseException | None) -> str:
    """The first line of what an exception says, with its name; Ray appends whole stack traces."""
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0]:.300}" if lines else type(problem).__name__


def _nodes(ray: Any) -> list[Node]:
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Node(cpus=int(one.get("CPU", 0)), gpus=int(one.get("GPU", 0))) for one in resources]


def divide(nodes: Sequence[Node], *, device: str, workers: int | None) -> Share:
    """Divide a cluster: one worker for each GPU, else one for each machine with all its CPUs.

    Args:
        nodes: The machines.
        device: `auto` (GPUs where there are any), `cpu` or `cuda`.
        workers: How many there shall be; None: as many as there are GPUs, or machines.

    Raises:
        ConfigError: If there is not enough for so many.
    """
    gpus = sum(node.gpus for node in nodes)
    if device == "cuda" and gpus == 0:
        raise ConfigError("engine.device: no machine of the Ray cluster has a GPU", fix="Use `device: auto` or `cpu`.")
    if device != "cpu" and gpus:
        if (workers or 0) > gpus:
            raise ConfigError(f"engine.workers: {workers} workers, but the Ray cluster has only {gpus} GPUs")
        return Share(workers=workers or gpus, cpus=0, gpus=1)
    with_cpus = [node.cpus for node in nodes if node.cpus]
    wanted = workers or max(1, len(with_cpus))
    if sum(with_cpus) < wanted:
        raise ConfigError(f"engine.workers: {wanted} workers, but the Ray cluster has only {sum(with_cpus)} CPUs")
    largest = next(cpus for cpus in range(max(with_cpus), 0, -1) if sum(one // cpus for one in with_cpus) >= wanted)
    return Share(workers=wanted, cpus=largest, gpus=0)
