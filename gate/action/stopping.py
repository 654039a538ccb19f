"""How a step ends before it is done: a cancelled job, or one that takes too long. Neither ever hangs.

A runner sends SIGINT, and SIGTERM 7.5 seconds later, and then kills. What is computing may not come back to Python in
time, so a thread that computes nothing ends the process where the exception does not.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from gate.errors import BrokenRun, GateError, Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_STOPPING_SECONDS = 5.0
"""From a signal to the end, whatever is being computed; a runner waits for 7.5."""
_SAYING_SECONDS = 1.0


@contextmanager
def stoppable(minutes: float | None, *, left_behind: Callable[[GateError], None]) -> Iterator[None]:
    """Run something that signals and a deadline can stop. For the main thread.

    Args:
        minutes: The deadline; None: there is none.
        left_behind: Called with why, if what runs does not stop by itself and the process is ended.

    Raises:
        Interrupted: The process was told to stop.
        BrokenRun: The deadline passed.
    """
    stopped_by: list[int] = []
    is_open = False

    def on_signal(signum: int, _frame: FrameType | None) -> None:
        stopped_by.append(signum)
        # A second signal must not interrupt what the first one began, nor any signal what is set up and cleared here.
        if is_open and len(stopped_by) == 1:
            raise KeyboardInterrupt

    over = threading.Event()
    heard, said = os.pipe()
    os.set_blocking(said, False)
    # Written to as soon as a signal arrives, also while the main thread is in code that is not Python's.
    earlier_fd = signal.set_wakeup_fd(said, warn_on_full_buffer=False)
    earlier = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    guard = threading.Thread(
        target=_end_in_time, args=(heard, over), kwargs={"left_behind": left_behind, "minutes": minutes}, daemon=True
    )
    guard.start()
    try:
        if minutes is not None:
            signal.setitimer(signal.ITIMER_REAL, minutes * 60)
        try:
            is_open = True
            if not stopped_by:
                yield
        finally:
            is_open = False
        # Else the exception came where Python drops exceptions, as in a destructor, or where it could not be raised.
        if stopped_by:
            raise KeyboardInterrupt
    except BaseException as problem:
        if stopped_by or isinstance(problem, KeyboardInterrupt):  # a library may have made another exception of it
            raise _reason(stopped_by[0] if stopped_by else signal.SIGINT, minutes) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        over.set()
        signal.set_wakeup_fd(earlier_fd)
        os.close(said)  # ends the guard
        guard.join()
        os.close(heard)
        for number, handler in earlier.items():
            signal.signal(number, handler)
    if stopped_by:  # while this was cleared
        raise _reason(stopped_by[0], minutes)


def _end_in_time(
    heard: int, over: threading.Event, *, left_behind: Callable[[GateError], None], minutes: float | None
) -> None:
    while signals := os.read(heard, 1):
        if signals[0] not in _SIGNALS:
            continue
        if over.wait(_STOPPING_SECONDS):
            return
        error = _reason(signals[0], minutes)
        try:
            left_behind(error)
        finally:
            _say(f"gate: {error}\n")
            os._exit(error.exit_code)


def _say(text: str) -> None:
    """Write to stderr: not through the stream, which the main thread may hold, nor for ever, if nobody reads."""
    saying = threading.Thread(target=os.write, args=(2, text.encode()), daemon=True)
    saying.start()
    saying.join(_SAYING_SECONDS)


def _reason(signum: int, minutes: float | None) -> GateError:
    if signum == signal.SIGALRM:
        return BrokenRun(
            f"The run took longer than {minutes:g} minutes (input `timeout-minutes`).",
            fix="Allow more, ask fewer cases, or use a larger machine.",
        )
    return Interrupted(f"Interrupted by {signal.Signals(signum).name}.", fix="Run the job again.")
