"""Reference answers that an earlier run has given: taken from the cache, a few asked again, the new ones kept.

A cache may cost time, never a verdict: it is opened if it can be, believed only after a few of its answers were
computed again, and thrown away where they differ.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gate.domain import ArmName, Response
from gate.engine.answer_cache import RECHECKED, CachedAnswers, disagreements, is_pinned, is_stale, to_ask_again
from gate.engine.answering import usable
from gate.engine.base_model import BaseFolder
from gate.engine.session import Session
from gate.transport.answer_store import AnswerStore

MOST_BYTES = 2 * 1024**3
"""Size to which the cache is trimmed."""


@contextmanager
def reference_cache(
    path: Path | None,
    session: Session,
    base: BaseFolder | None,
    *,
    folder: Path,
    today: int,
    report: Callable[[str], None],
) -> Iterator[CachedAnswers | None]:
    """Open the cache; None where there is none to be had.

    Args:
        path: Its file; None: no cache is wanted.
        session: The loaded arms.
        base: The base model; None where its weights are not on this machine, so that nobody knows what they are.
        folder: The folder of the configuration.
        today: Days since 1970, by which answers that nobody uses are dropped one day.
        report: Told why there is no cache.
    """
    store = None if path is None or base is None else AnswerStore.open(path, report=report)
    if store is None:
        yield None
        return
    with store:
        yield CachedAnswers(session, store, pinned=is_pinned(base, folder), used_at=today)
        store.trim(MOST_BYTES)


def reuse(
    session: Session, cache: CachedAnswers, have: Sequence[Response], *, seed: int
) -> tuple[list[Response], list[str], tuple[int, int]]:
    """Take over the answers of the reference arms, after asking a few of them again.

    Args:
        session: The loaded arms.
        cache: The answers that are known.
        have: Answers that this run has already.
        seed: Seed of the choice of what is asked again.

    Returns:
        Answers to add; what a reader must know of answers that were thrown away; and how many of the base's answers
        differed of how many that were asked again, none if they were thrown away.
    """
    there = {(one.suite, one.case, one.arm) for one in have}
    added: list[Response] = []
    warnings = []
    base = (0, 0)
    for arm in reference_arms(session):
        known = [one for one in cache.known(arm) if (one.suite, one.case, one.arm) not in there]
        differing, checked = ask_again(session, known, seed=seed)
        if is_stale(differing, checked=checked):
            cache.forget(arm)
            warnings.append(
                f"{differing} of {checked} cached answers of the arm {arm} were not given again; none was used."
            )
        else:
            added += known
            base = (differing, checked) if arm == "base" else base
    whole = usable(session, [*have, *added])
    return [one for one in whole if (one.suite, one.case, one.arm) not in there], warnings, base


def ask_again(session: Session, known: Sequence[Response], *, seed: int, count: int = RECHECKED) -> tuple[int, int]:
    """Ask one arm a few of its questions again, in other batches than before.

    Args:
        session: The loaded arms.
        known: Answers of the arm.
        seed: Seed of the choice.
        count: How many.

    Returns:
        How many answers have another text than before, of how many.
    """
    drafts = {(one.suite, one.case): one for one in known}
    fresh = [
        answer
        for batch in to_ask_again(session, known, seed=seed, count=count)
        for answer in session.answer(known[0].arm, batch, repeat=0, drafts=drafts)
        if answer.finish != "error"
    ]
    return disagreements(known, fresh), len(fresh)


def reference_arms(session: Session) -> list[ArmName]:
    """The arms whose answers outlast a run: all but the candidate."""
    return [arm for arm in session.arms if arm != "candidate"]
