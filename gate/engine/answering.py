"""The loop over arms and batches: skip what is already answered, hand every finished batch on at once."""

import hashlib
import json
from collections.abc import Callable, Sequence, Set
from typing import Protocol

from gate.domain import ArmName, Response
from gate.engine.session import Session

Key = tuple[str, str, ArmName]
"""Suite, case, arm."""


class Progress(Protocol):
    """Somebody who wants to know how far a run is."""

    def begin(self, total: int, done: int) -> None:
        """Answering starts; `done` of `total` answers were there already."""
        ...

    def advance(self, answers: int) -> None:
        """Some more answers are there."""
        ...


def signature(session: Session) -> str:
    """Everything that the answers depend on, as one SHA-256: arms, prompts, batches, versions, device.

    Answers with equal signatures are interchangeable, so an interrupted run may go on from them.
    """
    prompts = [[[p.suite, p.case, p.token_ids, p.max_new_tokens] for p in batch] for batch in session.batches]
    digests = {name: arm.digest for name, arm in session.arms.items()}
    return hashlib.sha256(json.dumps([digests, dict(session.environment), prompts]).encode()).hexdigest()


def whole_batches(session: Session, earlier: Sequence[Response]) -> tuple[Response, ...]:
    """Keep those earlier answers whose whole batch is there; a batch is computed whole or not at all."""
    by_key = {(one.suite, one.case, one.arm): one for one in earlier}
    keys = [[(p.suite, p.case, arm) for p in batch] for arm in session.arms for batch in session.batches]
    return tuple(by_key[key] for batch in keys if all(key in by_key for key in batch) for key in batch)


def answer_all(
    session: Session, *, done: Set[Key], record: Callable[[tuple[Response, ...]], None], progress: Progress
) -> None:
    """Let every arm answer every batch.

    Args:
        session: The loaded arms.
        done: Answers of an earlier, interrupted run. A batch is skipped only when all of it is there.
        record: Called with the answers of each finished batch.
        progress: Told of every finished batch.
    """
    work = [
        (arm, batch)
        for arm in session.arms
        for batch in session.batches
        if not all((prompt.suite, prompt.case, arm) in done for prompt in batch)
    ]
    total = len(session.arms) * sum(len(batch) for batch in session.batches)
    progress.begin(total, total - sum(len(batch) for _, batch in work))
    for arm, batch in work:
        record(session.answer(arm, batch))
        progress.advance(len(batch))
