"""The ray backend: the transformers backend in several processes of a Ray cluster, one for each GPU or share of CPUs.

The workers make the plan, which depends on the prompts alone, so their answers are those of a single process, up to
ties within rounding: there, rows of the next batch take the places of those that are finished. This process loads
neither weights nor torch nor Ray; it hands out batches and takes answers in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Literal, Self

from pydantic import Field

from gate.domain import ArmName, Response
from gate.engine.base_model import BaseFolder
from gate.engine.ray_process import Job, RayProcess
from gate.engine.ray_worker import Work
from gate.engine.session import NO_DRAFTS, Drafts, Engine, Prompt, Request, Session
from gate.errors import ConfigError


class RayEngine(Engine):
    """Runs the model in a Ray cluster. Every machine must see model and adapters under the same path."""

    kind: Literal["ray"]
    address: str = Field(default="auto", min_length=1, max_length=256)
    """`auto`: the cluster that RAY_ADDRESS names or that runs on this machine, else one that is started for the run.
    `local`: always one of our own. Or an address: `HOST:PORT`, `ray://HOST:PORT` (needs `ray[client]`)."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Processes, each of which loads the model; default: one for each GPU, without GPUs one for each machine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: the cluster's GPUs if it has any, else its CPUs."""
    batch_tokens: int | None = Field(default=None, ge=256, le=4_194_304)
    """Tokens a batch may hold, prompts and answers together; default: 32,768. Lower it when memory runs out."""

    @property
    def needs_network(self) -> bool:
        """To a cluster that is not of this machine."""
        return self.address not in ("auto", "local")

    def open(self, base: BaseFolder | None, request: Request) -> Session:
        """Bring up the workers; see `Engine.open`."""
        assert base is not None  # noqa: S101  # `reads_model`
        return _RaySession(self, base, request)


class _RaySession:
    """Arms in other processes. See `Session`."""

    def __init__(self, engine: RayEngine, base: BaseFolder, request: Request) -> None:
        if find_spec("ray") is None:
            raise ConfigError(
                "engine.kind: ray needs the package `ray`, which is not installed",
                fix="Install it: pip install 'finetune-gate[ray]'.",
            )
        self.settings = request.settings
        job = Job(
            address=engine.address,
            device=engine.device,
            workers=engine.workers,
            batch_tokens=engine.batch_tokens,
            base=replace(base, path=base.path.absolute()),
            request=_absolute(request),
        )
        self._process = RayProcess(job)
        first = self._process.first
        self.arms, self.environment = first.arms, first.environment
        self.warnings, self.checks = first.warnings, first.checks
        self.batches: Mapping[ArmName, Sequence[tuple[Prompt, ...]]] = self._process.batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.close(at_once=exc[0] is not None)

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        (answers,) = self.answer_many(arm, [batch], repeat=repeat, drafts=drafts)
        return answers

    def answer_many(
        self, arm: ArmName, batches: Sequence[Sequence[Prompt]], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> Iterator[tuple[Response, ...]]:
        return self._process.answer_many([_work(arm, batch, repeat, drafts=drafts) for batch in batches])


def _work(arm: ArmName, batch: Sequence[Prompt], repeat: int, *, drafts: Drafts) -> Work:
    """A batch with its own drafts; those of other batches would travel for nothing."""
    names = [(prompt.suite, prompt.case) for prompt in batch]
    own = {name: drafts[name] for name in names if name in drafts}
    return Work(arm=arm, batch=tuple(batch), repeat=repeat, drafts=own)


def _absolute(request: Request) -> Request:
    """Paths that mean the same in a process that was started elsewhere."""
    return replace(
        request,
        adapters={arm: replace(one, path=one.path.absolute()) for arm, one in request.adapters.items()},
        models={arm: replace(one, path=one.path.absolute()) for arm, one in request.models.items()},
    )
