"""`engine: {kind: ray}` on a real cluster of two workers on this machine, which `.ci/ray` gives to these tests alone."""

import contextlib
import dataclasses
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Gate
from ray_quickstart import SUITES, configure

from gate import __version__ as gate_version
from gate.domain import Arm, Response
from gate.engine import ray_cluster, ray_pool
from gate.engine.base_model import BaseFolder
from gate.engine.ray_cluster import Share
from gate.engine.ray_pool import WorkerPool
from gate.engine.ray_worker import Opened, Work
from gate.engine.session import Prompt, Request, Settings
from gate.engine.transformers_engine import TransformersEngine
from gate.errors import AdapterRefused, BrokenRun, GateError

if not os.environ.get("GATE_TEST_RAY"):
    pytest.skip("needs a machine on which Ray works, and that for itself: run .ci/ray", allow_module_level=True)

import ray

PATIENCE_SECONDS = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster that somebody else runs: two CPUs and little memory. The gate must leave it alone.

    Tests that have clusters of their own come before those that share this one: one at a time is enough for a machine.
    """
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address="local", num_cpus=2, object_store_memory=80_000_000, include_dashboard=False,
             log_to_driver=False, logging_level="ERROR", _temp_dir=folder)  # fmt: skip
    yield
    assert ray.is_initialized()
    ray.shutdown()
    signal.signal(signal.SIGTERM, before)
    shutil.rmtree(folder, ignore_errors=True)


def answers(output: Path) -> str:
    return (output / "responses.jsonl").read_text("utf-8")


def rows(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answers(output).splitlines()]


def texts(output: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "probe"} for row in rows(output)]


def probes(output: Path) -> dict[tuple[str, str], float]:
    """How unlikely the base's tokens are to the candidate. What else is in a batch moves its last digits."""
    return {(row["suite"], row["case"]): row["probe"]["mean_log_loss"] for row in rows(output) if row.get("probe")}


def manifest(output: Path) -> dict[str, Any]:
    content = json.loads((output / "manifest.json").read_text("utf-8"))
    return {key: value for key, value in content.items() if key != "timings"}


class Running:
    """A run in a process of its own, and what it has started."""

    def __init__(self, *command: object, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        self.family: dict[int, psutil.Process] = {}
        """By id; as seen last."""

    def look(self) -> None:
        me = psutil.Process(self.process.pid)
        self.family |= {one.pid: one for one in [me, *me.children(recursive=True)]}

    def wait_until(self, ready: Callable[[], object]) -> None:
        began = time.monotonic()
        while not ready():
            assert self.process.poll() is None, "the run ended before it could be disturbed"
            assert time.monotonic() - began < PATIENCE_SECONDS
            time.sleep(0.05)
        self.look()

    def named(self, name: str) -> list[psutil.Process]:
        """The processes of its cluster with such a name or command."""
        found = []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if one.name().startswith(name) or name in " ".join(one.cmdline()[:1]):
                    found.append(one)
        return found

    def workers(self) -> set[int]:
        return {one.pid for one in self.named("ray::RayWorker")}

    def driver(self) -> psutil.Process:
        """The process that uses Ray, as seen last."""
        (found,) = [one for one in self.family.values() if "gate.engine.ray_driver" in one.cmdline()]
        return found

    def cluster(self) -> list[psutil.Process]:
        """All but the run and the process that uses Ray, as seen last."""
        return [one for pid, one in self.family.items() if pid not in (self.process.pid, self.driver().pid)]

    def end(self) -> str:
        """Wait for the end, of all of it, and return what was said."""
        report, complaint = self.process.communicate(timeout=PATIENCE_SECONDS)
        _, alive = psutil.wait_procs(self.family.values(), timeout=PATIENCE_SECONDS)
        assert (report, alive) == ("", [])
        assert "Traceback" not in complaint
        return complaint


@pytest.fixture
def start(quickstart: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a run with a cluster of its own; whatever comes, nothing of it is left."""
    started: list[Running] = []

    def run(
        command: str = "run",
        *options: object,
        workers: int = 1,
        env: dict[str, str] | None = None,
        python: Sequence[str] = (),
    ) -> Running:
        config = configure(
            quickstart, f"{{kind: ray, address: local, workers: {workers}, device: cpu, batch_tokens: 256}}"
        )
        arguments = (*python, "-m", "gate", command, config, "--output", tmp_path / "out", *options)
        started.append(Running(*arguments, env=os.environ | (env or {})))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.look()
        for process in one.family.values():
            with contextlib.suppress(psutil.Error):
                process.kill()
        one.process.communicate()


@pytest.mark.parametrize(
    ("moment", "stop"),
    [
        ("starting", signal.SIGINT),
        ("loading", signal.SIGINT),
        ("answering", signal.SIGTERM),
    ],
)
def test_run__a_stopped_run_leaves_no_ray_behind(
    start: Callable[..., Running], tmp_path: Path, moment: str, stop: signal.Signals
) -> None:
    running, answered = start(), tmp_path / "out" / "responses.jsonl"
    ready = {
        "starting": lambda: running.named("raylet"),
        "loading": running.workers,
        "answering": lambda: answered.exists() and answered.stat().st_size,
    }
    running.wait_until(ready[moment])
    running.process.send_signal(stop)
    said = running.end()
    assert running.process.returncode == 130, said
    assert said.endswith("interrupted. Finished answers are kept: the same command continues.\n")


@pytest.mark.parametrize("victim", ["gcs_server", "raylet", "ray::RuntimeEnv", "everything"])
def test_run__a_cluster_that_is_lost_breaks_the_run(start: Callable[..., Running], victim: str) -> None:
    """Each of them makes Ray end the process that uses it, sooner or later, with 1."""
    running = start(env={"RAY_gcs_rpc_server_reconnect_timeout_s": "5"})
    running.wait_until(running.workers)
    for pid in running.workers():  # so that it cannot be done before the loss is noticed
        os.kill(pid, signal.SIGSTOP)
    victims = running.cluster() if victim == "everything" else running.named(victim)
    assert victims
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):  # some end with another
            process.kill()
    said = running.end()
    assert running.process.returncode == 4, said
    assert len([line for line in said.splitlines() if line.startswith("gate: ")]) == 1, said


def test_run__workers_import_nothing_from_where_the_run_was_started(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkout" / "gate").mkdir(parents=True)
    for name in ("numpy.py", "torch.py", "ray.py", "sitecustomize.py", "gate/__init__.py"):
        (tmp_path / "checkout" / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n", "utf-8")
    monkeypatch.chdir(tmp_path / "checkout")
    running = start("answer", *SUITES, python=("-P",))
    said = running.end()
    assert running.process.returncode == 0, said
    assert not (tmp_path / "ran").exists()


def test_run__a_second_signal_leaves_nothing_either(start: Callable[..., Running]) -> None:
    running = start()
    running.wait_until(running.workers)
    folder = Path(running.driver().cmdline()[-1])
    assert folder.is_dir()
    for _ in range(3):
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    said = running.end()
    assert running.process.returncode == 130, said
    assert not folder.exists()


def test_run__if_it_is_killed_what_it_has_started_ends_itself(start: Callable[..., Running]) -> None:
    running = start()
    running.wait_until(running.workers)
    folder = Path(running.driver().cmdline()[-1])
    running.process.kill()
    running.end()
    assert not folder.exists()


def test_run__a_cluster_of_our_own_listens_on_the_loopback_interface_only(start: Callable[..., Running]) -> None:
    running = start(env={"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"})
    running.wait_until(running.workers)
    listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    places = {ipaddress.ip_address(one.laddr.ip) for one in listening if one.pid in running.family}
    running.process.terminate()
    running.end()
    assert places
    for place in places:
        assert (getattr(place, "ipv4_mapped", None) or place).is_loopback


def test_answer__two_ray_workers_answer_as_one_process_even_if_killed(
    gate: Gate, quickstart: Path, tmp_path: Path, start: Callable[..., Running]
) -> None:
    running, answered = start("answer", *SUITES, workers=2), tmp_path / "out" / "responses.jsonl"
    running.wait_until(lambda: answered.exists() and answered.stat().st_size)
    killed = running.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    running.wait_until(lambda: running.workers() - killed)
    said = running.end()
    assert running.process.returncode == 0, said
    assert len(killed) in (1, 2)  # the second may not have been there yet
    plain = configure(quickstart, "{kind: transformers, device: cpu, batch_tokens: 256}")
    assert gate("answer", plain, *SUITES, "--no-cache", "--output", tmp_path / "plain").code == 0
    assert texts(tmp_path / "out") == texts(tmp_path / "plain")
    assert probes(tmp_path / "out") == pytest.approx(probes(tmp_path / "plain"), abs=1e-4)
    assert manifest(tmp_path / "out") == manifest(tmp_path / "plain")
    # What the base answered in the cluster is found by a run without one.
    assert "24 reference answers from the cache" in gate("answer", plain, *SUITES, "--output", tmp_path / "warm").err


def test_answer__a_cluster_that_is_joined_goes_on(
    gate: Gate, quickstart: Path, tmp_path: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
    config = configure(quickstart, "{kind: ray, device: cpu}")
    ran = gate("answer", config, *SUITES, "--output", tmp_path / "out")
    assert (ran.code, len(rows(tmp_path / "out"))) == (0, 48), ran.err
    assert ray.get(ray.remote(lambda: 5).remote()) == 5


def test_cluster__one_that_refuses_breaks_the_run(
    tmp_path: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise RuntimeError("Version mismatch\nand a second line")

    address = ray.get_runtime_context().gcs_address
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(BrokenRun) as broken, ray_cluster.cluster(address, folder=tmp_path):
        pass
    said = f"engine.address: the Ray cluster at {address} cannot be joined: RuntimeError: Version mismatch"
    assert broken.value.message == said


# What follows is about the pool: its workers are real processes of the cluster that hold no model.


def test_open__more_workers_than_the_cluster_has_are_refused(
    gate: Gate, quickstart: Path, tmp_path: Path, cluster: None
) -> None:
    config = configure(
        quickstart, f"{{kind: ray, address: '{ray.get_runtime_context().gcs_address}', workers: 3, device: cpu}}"
    )
    ran = gate("answer", config, *SUITES, "--output", tmp_path / "out")
    assert ran.code == 3
    assert "3 workers, but the Ray cluster has only 2 CPUs" in ran.err


def prompt(case: str) -> Prompt:
    return Prompt(suite="s", case=case, token_ids=(1,), max_new_tokens=1)


def opened(**changes: Any) -> Opened:
    arm = Arm(name="base", model="m", revision=None, adapter=None, description="d", digest="00")
    made = Opened(host="here", gate_version=gate_version, arms={"base": arm}, environment={"torch": "2"},
                  warnings=[], checks=[])  # fmt: skip
    return dataclasses.replace(made, **changes)


def pool(monkeypatch: pytest.MonkeyPatch, kind: type, count: int = 1) -> WorkerPool:
    monkeypatch.setattr(ray_pool, "RayWorker", kind)
    base = BaseFolder(path=Path("/m"), name="m", revision=None, description="d", digest="00")
    settings = Settings(dtype="auto", template="chat", template_kwargs={})
    request = Request(adapters={}, questions=(), prompted=None, prompted_digest=None, settings=settings)
    return WorkerPool(Share(workers=count, cpus=1, gpus=0), TransformersEngine(), base, request=request)


def stand_in(tells: Opened | GateError | str) -> type:
    """A worker without a model; defined in a function, so that the cluster gets the code itself."""

    class StandIn:
        def open(self, *_: object) -> Opened | GateError:
            if tells == "dies":
                os._exit(1)
            if isinstance(tells, str):
                return dataclasses.replace(opened_here, environment={"torch": str(os.getpid())})
            return tells

        def batches(self) -> dict[str, Any]:
            return {}

        def answer(self, work: Work) -> tuple[Response, ...] | GateError:
            case = work.batch[0].case
            if case == "dies":
                os._exit(1)
            if case == "refused":
                return BrokenRun("out of GPU memory", fix="Lower it.")
            if case == "bug":
                raise ZeroDivisionError("by zero")
            return tuple(
                Response(suite=one.suite, case=one.case, arm=work.arm, repeat=0, text=one.case, finish="stop", tokens=1)
                for one in work.batch
            )

    opened_here = opened()
    return StandIn


def works(*cases: str) -> Iterator[Work]:
    return (Work(arm="base", batch=(prompt(case),), repeat=0) for case in cases)


def test_answer_many__every_batch_is_answered_once(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool(monkeypatch, stand_in(opened()), count=2) as many:
        texts = [one.text for given in many.answer_many(works(*"abcdefgh")) for one in given]
        assert sorted(texts) == list("abcdefgh")
        assert list(many.answer_many(works())) == []
        with pytest.raises(BrokenRun, match="a Ray worker failed: ZeroDivisionError: by zero"):
            list(many.answer_many(works("a", "bug")))


def test_answer_many__what_a_worker_cannot_do_is_said(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool(monkeypatch, stand_in(opened())) as many, pytest.raises(BrokenRun) as broken:
        list(many.answer_many(works("a", "refused")))
    assert (broken.value.message, broken.value.fix) == ("out of GPU memory", "Lower it.")


def test_answer_many__a_batch_that_kills_every_worker_ends_the_run(
    cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    with pool(monkeypatch, stand_in(opened()), count=2) as many, pytest.raises(BrokenRun) as broken:
        given += list(many.answer_many(works(*"ab", "dies", *"cd")))
    assert broken.value.message == "3 Ray workers died on the same batch of 1 prompts"


def test_pool__what_a_worker_refuses_is_raised_as_it_was(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AdapterRefused) as raised:
        pool(monkeypatch, stand_in(AdapterRefused("it does not fit", fix="Train it again.")))
    assert (raised.value.message, raised.value.fix) == ("it does not fit", "Train it again.")


def test_pool__workers_that_die_while_loading_end_the_run(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BrokenRun, match="Ray workers died 3 times without an answer"):
        pool(monkeypatch, stand_in("dies"))


def test_pool__unlike_workers_are_refused(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer_until_both_are_there() -> None:
        with pool(monkeypatch, stand_in("unlike"), count=2) as many:
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE_SECONDS:
                list(many.answer_many(works(*"abcdefgh")))

    with pytest.raises(BrokenRun, match="the Ray workers differ: torch is"):
        answer_until_both_are_there()
    with pytest.raises(BrokenRun, match="and 0 on the Ray worker here"):
        pool(monkeypatch, stand_in(opened(gate_version="0")))


def test_pool__workers_without_the_gate_are_refused_at_once(cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # This module is not to be imported where the workers run, as the gate is not where it is not installed.
    with pytest.raises(BrokenRun, match="a Ray worker cannot load the gate: ModuleNotFoundError"):
        pool(monkeypatch, NotImportable)


class NotImportable:
    def open(self, *_: object) -> Opened:
        return opened()
