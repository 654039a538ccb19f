"""What runs in a process of the Ray cluster: one transformers session, opened once, answering batch after batch.

Knows nothing of Ray. What went wrong comes back as a value: an exception that crosses a process as one arrives
wrapped in that process's traceback, where nobody finds the sentence that matters.
"""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gate import __version__
from gate.domain import Arm, ArmName, Check, Response
from gate.engine.base_model import BaseFolder
from gate.engine.session import Drafts, Prompt, Request, Session
from gate.engine.transformers_engine import TransformersEngine
from gate.errors import ConfigError, GateError

Batches = Mapping[ArmName, Sequence[tuple[Prompt, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One batch for one arm; the fields mean what they mean in `Session.answer`."""

    arm: ArmName
    batch: tuple[Prompt, ...]
    repeat: int
    drafts: Drafts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a worker says of itself once its arms are loaded."""

    host: str
    gate_version: str
    arms: Mapping[ArmName, Arm]
    environment: Mapping[str, str]
    warnings: Sequence[str]
    checks: Sequence[Check]


class RayWorker:
    """The arms in one process."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def open(self, engine: TransformersEngine, base: BaseFolder, request: Request) -> Opened | GateError:
        """Load the arms."""
        host = socket.gethostname()
        adapters = [one.path for one in request.adapters.values()]
        for path in (base.path, *adapters, *(one.path for one in request.models.values())):
            if not path.is_dir():
                return ConfigError(
                    f"{path}: no such folder on {host}, where a Ray worker runs",
                    fix="Every machine of the cluster must see model and adapters under the same path.",
                )
        try:
            session = engine.open(base, request).__enter__()
        except GateError as problem:
            return problem
        self._session = session
        return Opened(
            host=host,
            gate_version=__version__,
            arms=session.arms,
            environment=session.environment,
            warnings=session.warnings,
            checks=session.checks,
        )

    def batches(self) -> Batches:
        """The plan, which every worker makes alike."""
        assert self._session is not None  # noqa: S101  # the pool asks only workers that are open
        return self._session.batches

    def answer(self, work: Work) -> tuple[Response, ...] | GateError:
        """Answer one batch."""
        assert self._session is not None  # noqa: S101
        try:
            return self._session.answer(work.arm, work.batch, repeat=work.repeat, drafts=work.drafts)
        except GateError as problem:
            return problem
