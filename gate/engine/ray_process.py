"""The process that uses Ray, as seen from ours: it is told what to ask, and may die without taking the run along.

Ray's own code ends the process that uses it, with exit code 1, which would be a verdict, wherever it loses a cluster
otherwise than it expects; it also takes signals, prints, and may not come back for minutes. So none of it runs here.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gate.domain import Response
from gate.engine.base_model import BaseFolder
from gate.engine.ray_worker import Batches, Opened, Work
from gate.engine.session import Request
from gate.errors import BrokenRun, GateError

_SHORT_FOLDER = Path("/tmp")  # noqa: S108  # the name below it is random
"""Ray puts sockets below its folder, and a socket's path may have 107 characters."""
_JOINING_SECONDS = 180.0
"""For a cluster to be joined or started: where another program listens, Ray would try for longer than anybody waits."""
_LEAVING_SECONDS = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ROUNDS, _ROUND_SECONDS = 50, 0.1
"""How long, and how often, what is left is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What the process is started for; the fields are those of `RayEngine` and `Engine.open`."""

    address: str
    device: str
    workers: int | None
    batch_tokens: int | None
    base: BaseFolder
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What the process says when the first worker has opened its arms."""

    first: Opened
    batches: Batches


class RayProcess:
    """The process. `close` leaves nothing of it, nor of a cluster that it has started."""

    def __init__(self, job: Job) -> None:
        """Start it and wait until it is ready.

        Raises:
            GateError: What it says that cannot begin.
            BrokenRun: If it dies, or neither joins nor starts a cluster.
        """
        self._is_asked = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe, there = Pipe()
        self._folder = _make_folder()
        try:
            with there:
                self._process = self._start(there)
            self._send(job)
            if not self._pipe.poll(_JOINING_SECONDS):
                raise BrokenRun(
                    f"Ray has neither joined nor started a cluster within {_JOINING_SECONDS:.0f} seconds",
                    fix="Is there a Ray cluster at the address? `ray status` tells; `address: local` starts one.",
                )
            self._receive()
            ready: Ready = self._receive()
            self.first, self.batches = ready.first, ready.batches
        except BaseException:
            self.close(at_once=True)
            raise

    def _start(self, pipe: Connection) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("wb") as log:
            # Away from the signals of a terminal, and from the folder that we run in: Ray lets its workers import what
            # lies in the folder of whoever uses it, before anything that is installed.
            return subprocess.Popen(  # noqa: S603  # our own code
                [sys.executable, "-P", "-m", "gate.engine.ray_driver", str(pipe.fileno()), str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[pipe.fileno()],
                cwd=self._folder,
                start_new_session=True,
            )

    def answer_many(self, works: Sequence[Work]) -> Iterator[tuple[Response, ...]]:
        """Answer batches; the next may be asked for when all answers have been taken.

        Raises:
            GateError: What it says that cannot go on.
            BrokenRun: If it dies.
        """
        assert not self._is_asked  # noqa: S101  # the answers of two questions would be mixed up
        self._is_asked = True
        self._send(works)
        while (answers := self._receive()) is not None:
            yield answers
        self._is_asked = False

    def close(self, *, at_once: bool) -> None:
        """End it.

        Args:
            at_once: Without letting it leave its cluster in order; a cluster that goes on notices by itself.
        """
        try:
            if not at_once and self._process is not None:
                with suppress(OSError):
                    self._pipe.send(None)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_LEAVING_SECONDS)
        finally:
            with _undisturbed():
                self._pipe.close()
                if self._process is not None:
                    self._process.kill()
                    _end_session(self._process.pid)
                    self._process.wait()
                shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            raise self._died() from None

    def _receive(self) -> Any:
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):
            raise self._died() from None
        if isinstance(message, GateError):
            raise message
        return message

    def _died(self) -> BrokenRun:
        code, lines = None, []
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_LEAVING_SECONDS)
        with suppress(OSError):
            log = (self._folder / "log").read_text("utf-8", errors="replace")
            lines = [line for line in log.splitlines() if line.strip()]
        return BrokenRun(
            f"the process that uses Ray ended with {code}{f': {lines[-1].strip():.300}' if lines else ''}",
            fix="Is the cluster still there? Finished answers are kept: the same command continues.",
        )


def _make_folder() -> Path:
    with suppress(OSError):
        return Path(tempfile.mkdtemp(prefix="gate-", dir=_SHORT_FOLDER))
    return Path(tempfile.mkdtemp(prefix="gate-"))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back from what must be done to its end."""
    came: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()  # else no signal comes here
    earlier = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _SIGNALS} if is_main else {}
    try:
        yield
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler if handler is not None else signal.SIG_DFL)
    for number in came[:1]:
        signal.raise_signal(number)


def _end_session(leader: int) -> None:
    """Kill what a process has started, and what that has: Ray's processes outlive one that could not end them.

    They are known by the number of their session, which nobody else gets while one of them lives.
    """
    import psutil

    for _ in range(_ROUNDS):  # what is being killed may just start another
        members = 0
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                    os.kill(process.pid, signal.SIGKILL)
                    members += 1
        if not members:
            return
        time.sleep(_ROUND_SECONDS)
