"""A pool of workers in a Ray cluster: every free one gets the next batch, a dead one is replaced.

Why plain actors and not `map_batches` of Ray Data: there an actor pool lives as long as one execution over one
dataset, so the weights would be loaded again for every stage, and for the few questions that are asked again before
a cache is believed; what is to be answered must be known before the execution starts, although the candidate's
drafts are answers that it has yet to bring; and by default a batch that kills its worker is tried for ever.
"""

import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from gate import __version__
from gate.domain import Response
from gate.engine.base_model import BaseFolder
from gate.engine.ray_cluster import Share, first_line
from gate.engine.ray_worker import Batches, Opened, RayWorker, Work
from gate.engine.session import Request
from gate.engine.transformers_engine import TransformersEngine
from gate.errors import BrokenRun, GateError

_MOST_TRIES = 3
"""Workers that may die of one batch; and how often each may die while nothing is answered."""
_POLL_SECONDS = 1.0
_START_SECONDS = 1_800.0
"""A cluster that grows on demand may need this long to bring the first machine."""
_FIX = "Out of memory? Lower `engine: {batch_tokens: ...}`; finished answers are kept, the same command continues."


class WorkerPool:
    """Workers that come, answer and die. A context manager: leaving it ends them."""

    def __init__(self, share: Share, engine: TransformersEngine, base: BaseFolder, *, request: Request) -> None:
        """Start the workers and wait for the first.

        Args:
            share: How many there are, and what each gets.
            engine: What each of them opens.
            base: The base model.
            request: What is asked of whom.

        Raises:
            GateError: What a worker says that cannot open its arms.
            BrokenRun: If no worker comes.
        """
        import ray

        self._ray: Any = ray
        self._share = share
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, Work, int]] = {}
        self._idle: list[Any] = []
        self._opened: list[Opened] = []
        self._deaths = 0
        """Since the last answer."""
        # Handed over once: it holds every question.
        self._to_open = [self._ray.put(one) for one in (engine, base, request)]
        try:
            for _ in range(share.workers):
                self._start()
            while not self._idle:
                self._greet(self._next_done())
            self.first, self.batches = self._opened[0], self._plan(self._idle[0])
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for actor in [*self._starting.values(), *self._idle, *(busy[0] for busy in self._busy.values())]:
            self._ray.kill(actor)
        self._starting, self._busy, self._idle = {}, {}, []

    def answer_many(self, works: Iterator[Work]) -> Iterator[tuple[Response, ...]]:
        """Answer batches as they come from an iterator, which is asked when a worker is free.

        Raises:
            GateError: What a worker says that cannot answer.
            BrokenRun: If workers keep dying.
        """
        waiting: deque[tuple[Work, int]] = deque()
        while True:
            if not waiting and (self._idle or not self._busy):
                waiting.extend((work, 1) for work in islice(works, 1))
            if waiting and self._idle:
                actor, (work, tries) = self._idle.pop(), waiting.popleft()
                self._busy[actor.answer.remote(work)] = (actor, work, tries)
                continue
            if not waiting and not self._busy:
                return
            done = self._next_done()
            if done in self._starting:
                self._greet(done)
                continue
            actor, work, tries = self._busy.pop(done)
            answers = self._fetch(done, actor)
            if answers is not None:
                self._deaths = 0
                self._idle.append(actor)
                yield answers
            elif tries < _MOST_TRIES:
                waiting.append((work, tries + 1))
            else:
                raise BrokenRun(f"{tries} Ray workers died on the same batch of {len(work.batch)} prompts", fix=_FIX)

    def _start(self) -> None:
        # Ray would restart a dead actor by itself, but on the same batch, and without an end where one kills it.
        kind = self._ray.remote(RayWorker).options(
            num_cpus=self._share.cpus, num_gpus=self._share.gpus, max_restarts=0, max_task_retries=0
        )
        actor = kind.remote()
        self._starting[actor.open.remote(*self._to_open)] = actor

    def _greet(self, ref: Any) -> None:
        """Let a worker in that has opened its arms."""
        actor = self._starting.pop(ref)
        opened: Opened | None = self._fetch(ref, actor)
        if opened is not None:
            self._opened.append(opened)
            _refuse_unlike(self._opened[0], opened)
            self._idle.append(actor)

    def _plan(self, actor: Any) -> Batches:
        plan: Batches = self._ray.get(actor.batches.remote())
        return plan

    def _next_done(self) -> Any:
        """Wait until a worker has opened its arms, answered, or died."""
        began = time.monotonic()
        while True:
            try:
                done, _ = self._ray.wait([*self._starting, *self._busy], num_returns=1, timeout=_POLL_SECONDS)
            except ConnectionError as problem:  # a client of a cluster raises it
                raise BrokenRun(f"the connection to the Ray cluster was lost: {first_line(problem)}") from None
            if done:
                return done[0]
            if not self._busy and time.monotonic() - began > _START_SECONDS:
                raise BrokenRun(
                    f"no Ray worker could start within {_START_SECONDS / 60:.0f} minutes",
                    fix="Is the cluster busy? `ray status` shows what is free.",
                )

    def _fetch(self, ref: Any, actor: Any) -> Any:
        """What a worker brought; None if it died, and then another is on its way."""
        errors = self._ray.exceptions
        try:
            value = self._ray.get(ref)
        except errors.RayTaskError as problem:
            self._ray.kill(actor)
            raise BrokenRun(f"a Ray worker failed: {first_line(problem.cause)}") from None
        except errors.RayError as problem:
            self._ray.kill(actor)
            _refuse_without_gate(problem)
            self._deaths += 1
            if self._deaths >= _MOST_TRIES * self._share.workers:
                raise BrokenRun(
                    f"Ray workers died {self._deaths} times without an answer: {first_line(problem)}", fix=_FIX
                ) from None
            self._start()
            return None
        if isinstance(value, GateError):
            self._ray.kill(actor)
            raise value
        return value


def _refuse_without_gate(death: BaseException) -> None:
    """Another try is no use where the worker's Python does not find our code."""
    missing = next((line.strip() for line in str(death).splitlines() if "ModuleNotFoundError" in line), None)
    if missing is not None:
        raise BrokenRun(
            f"a Ray worker cannot load the gate: {missing:.300}",
            fix="Every machine of the cluster needs the same version of finetune-gate and of what it runs on.",
        )


def _refuse_unlike(first: Opened, other: Opened) -> None:
    """Refuse workers whose answers are not interchangeable."""
    one, another = _said(first), _said(other)
    unlike = next((key for key in sorted(one.keys() | another.keys()) if one.get(key) != another.get(key)), None)
    if unlike is not None:
        raise BrokenRun(
            f"the Ray workers differ: {unlike} is {one.get(unlike)} on {first.host}, {another.get(unlike)} on "
            f"{other.host}",
            fix="Use machines with the same software and the same devices: their answers are compared.",
        )
    if first.gate_version != __version__:
        raise BrokenRun(f"the gate is {__version__} here and {first.gate_version} on the Ray worker {first.host}")


def _said(opened: Opened) -> dict[str, str | None]:
    return {**opened.environment, "gate": opened.gate_version, **{arm: one.digest for arm, one in opened.arms.items()}}
