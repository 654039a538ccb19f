"""The same work on many items by a bounded number of threads, given up at once when one of them fails.

For waiting, not for computing. Must not know what the work is.
"""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Item], Made], items: Sequence[Item], *, width: int) -> list[Made]:
    """Do the work on every item.

    Args:
        work: Called from several threads.
        items: What to work on, begun in this order.
        width: At most this many at once.

    Returns:
        What was made, in the order of the items.

    Raises:
        BaseException: The first failure; nothing more is begun, and what is under way is not waited for. So it is
            when the caller is interrupted.
    """
    waiting = iter(range(len(items)))
    turn, over = threading.Lock(), threading.Event()
    finished: SimpleQueue[tuple[int, Made | None, BaseException | None]] = SimpleQueue()

    def serve() -> None:
        while not over.is_set():
            with turn:
                index = next(waiting, None)
            if index is None:
                return
            try:
                finished.put((index, work(items[index]), None))
            except BaseException as problem:  # noqa: BLE001 - raised again by the caller's thread
                over.set()
                finished.put((index, None, problem))

    made: dict[int, Made] = {}
    # Daemons, because the pool of the standard library would keep an interrupted program waiting for the last reply.
    for _ in range(min(width, len(items))):
        threading.Thread(target=serve, daemon=True).start()
    try:
        while len(made) < len(items):
            index, one, problem = finished.get()
            if problem is not None:
                raise problem
            made[index] = one  # type: ignore[assignment]
    finally:
        over.set()
    return [made[index] for index in range(len(items))]
