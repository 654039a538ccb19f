"""The Ray cluster: joined where there is one, else started on this machine, and left as it was found.

Ray is quiet here: no dashboard, no usage statistics, no log lines among the gate's. What runs in the cluster is not
this module's business.
"""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gate.errors import BrokenRun, ConfigError

_STORE_BYTES = 100_000_000
"""Shared memory of a cluster of our own. Prompts and answers pass through it, weights do not."""
_SHORT_FOLDER = Path("/tmp")  # noqa: S108  # the name below it is random
"""Ray puts sockets below its folder, and a socket's path may have 107 characters."""

_CONNECT_SECONDS = 10.0
_RECONNECT_SECONDS = 180
"""More than the minute that the pool waits for a head that is gone, and the 10 seconds that leaving takes then."""
_RECONNECT = "RAY_gcs_rpc_server_reconnect_timeout_s"


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


def import_ray() -> Any:
    """Import Ray.

    Raises:
        ConfigError: If it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when it is imported, and by the processes that it starts
    # A minute after the head of its cluster is gone, Ray ends the process that uses it, with 1, which would be a
    # verdict. The pool looks itself whether the head is there (`head_listens`), and says what happened, before that.
    told = os.environ.get(_RECONNECT, "")
    if not told.isdecimal() or int(told) < _RECONNECT_SECONDS:
        os.environ[_RECONNECT] = str(_RECONNECT_SECONDS)
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "engine.kind: ray needs the package `ray`, which is not installed",
            fix="Install it: pip install 'finetune-gate[ray]'.",
        ) from None
    return ray


@contextmanager
def cluster(address: str) -> Iterator[Sequence[Node]]:
    """Join or start a cluster; what was started is stopped in the end, what was joined goes on.

    Args:
        address: `auto` (the one that RAY_ADDRESS names or that runs on this machine, else one of our own), `local`
            (one of our own), or where the cluster is.

    Yields:
        Its machines.

    Raises:
        ConfigError: If Ray is not installed.
        BrokenRun: If the cluster is not to be reached, or cannot be started.
    """
    ray = import_ray()
    with _hushed():
        if ray.is_initialized():  # by whoever calls this as a library, and it is theirs
            yield _nodes(ray)
        else:
            with _brought_up(ray, address):
                yield _nodes(ray)


@contextmanager
def _brought_up(ray: Any, address: str) -> Iterator[None]:
    folder: str | None = None
    before = _processes()
    ours: set[Any] = set()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        found = _find(ray, address)
        if found is not None:
            _join(ray, found, given=None if address == "auto" else address)
        else:
            folder = tempfile.mkdtemp(prefix="gate-", dir=_SHORT_FOLDER if _SHORT_FOLDER.is_dir() else None)
            with _off_the_network():
                _start(ray, folder)
            ours = _processes() - before
        _restore(handler)
        yield
    except SystemExit:  # what Ray makes of SIGTERM while it starts
        raise KeyboardInterrupt from None
    finally:
        ray.shutdown()
        _restore(handler)
        _end(ours)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _find(ray: Any, address: str) -> str | None:
    """Where the cluster is; None if one of our own is to be started.

    Ray's own `auto` would join any cluster on this machine, also one that another run has started for itself.
    """
    if address != "auto":
        return None if address == "local" else address
    from ray._private.services import get_ray_address_from_environment

    found: str | None = get_ray_address_from_environment(None, None)
    if found in (None, "auto", "local") or (not os.environ.get("RAY_ADDRESS") and not _is_cluster(ray, str(found))):
        return None  # the file that names a machine's cluster outlives a cluster that was killed
    return found


def _join(ray: Any, address: str, *, given: str | None) -> None:
    """Join a cluster. Told no address, Ray finds the same one, and trusts it with its token; others are not trusted."""
    advice = (
        "Start one with `ray start`, with the same versions of Ray and Python, or use `address: local`. "
        "A cluster that asks for a token needs RAY_AUTH_MODE=token."
    )
    if not _is_cluster(ray, address):  # Ray itself would try for minutes
        raise BrokenRun(f"engine.address: no Ray cluster answers at {address}", fix=advice)
    try:
        ray.init(address=given, log_to_driver=False, logging_level="ERROR")
    except Exception as problem:  # noqa: BLE001 - Ray raises its own and Python's, and nobody lists which
        raise BrokenRun(
            f"engine.address: the Ray cluster at {address} cannot be joined: {first_line(problem)}", fix=advice
        ) from None


def head_listens(ray: Any) -> bool:
    """Whether the head of the cluster that is in use is there."""
    if ray.util.client.ray.is_connected():  # a client knows no head; it raises where its own connection is lost
        return True
    return _answers(ray.get_runtime_context().gcs_address)


def _is_cluster(ray: Any, address: str) -> bool:
    """Whether a Ray cluster answers there. Where another program listens, Ray asks it for 40 seconds."""
    from ray._private.services import canonicalize_bootstrap_address

    if "://" in address:  # of a client, for which Ray has a time limit of its own
        return _answers(address)
    try:
        address = str(canonicalize_bootstrap_address(address))  # to Ray this machine is never 127.0.0.1
        if not _answers(address):
            return False
        ray._raylet.GcsClient(address=address)
    except Exception:  # noqa: BLE001 - Ray raises its own and Python's, and nobody lists which
        return False
    return True


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


def _start(ray: Any, folder: str) -> None:
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=_STORE_BYTES,
            _temp_dir=folder,
        )
    except Exception as problem:  # noqa: BLE001 - among others a plain Exception, where starting takes too long
        raise BrokenRun(f"Ray cannot be started here: {first_line(problem)}") from None


@contextmanager
def _off_the_network() -> Iterator[None]:
    """Let what is started listen on the loopback interface only, because Ray runs what anybody sends to its ports.

    It does so by itself where it knows no clusters of several machines: on macOS and Windows. The variable tells it
    that of this machine; the constant is what it made of the variable when it was imported.
    """
    from ray._private import ray_constants

    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    before, told = ray_constants.ENABLE_RAY_CLUSTER, os.environ.get(name)
    ray_constants.ENABLE_RAY_CLUSTER, os.environ[name] = False, "0"
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        if told is None:
            del os.environ[name]
        else:
            os.environ[name] = told


def _processes() -> set[Any]:
    """What this process and its children have started."""
    import psutil

    return set(psutil.Process().children(recursive=True))


def _end(processes: set[Any]) -> None:
    """End what Ray has not ended: without the head of the cluster, some would look for it for minutes."""
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def first_line(problem: BaseException | None) -> str:
    """The first line of what an exception says, with its name; Ray appends whole stack traces."""
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0]:.300}" if lines else type(problem).__name__


def _restore(handler: Any) -> None:
    """Give SIGTERM back to whoever had it: Ray takes it to exit at once, with an exit code of its own."""
    try:
        signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not the main thread, where Ray could not take it either
        return


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep Ray's news of dead workers out of stdout, where the report goes: `log_to_driver` does not cover them."""
    from ray._private import worker

    before, worker._worker_logs_enabled = worker._worker_logs_enabled, False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


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
