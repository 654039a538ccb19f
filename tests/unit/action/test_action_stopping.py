"""How a step ends before it is done."""

import os
import signal

import pytest

from gate.action.stopping import stoppable
from gate.errors import BrokenRun, GateError, Interrupted


def never(error: GateError) -> None:
    raise AssertionError(error)


class Careless:
    """What Python runs while it cleans up cannot be left by an exception."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # the handler runs between two steps of the interpreter
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_stoppable__a_signal_that_a_destructor_swallowed_still_ends_the_step() -> None:
    with pytest.raises(Interrupted, match="SIGTERM"), stoppable(None, left_behind=never):
        Careless()


def test_stoppable__a_deadline_is_a_broken_run() -> None:
    with pytest.raises(BrokenRun, match="longer than 0.0005 minutes"), stoppable(0.0005, left_behind=never):
        signal.pause()


def test_stoppable__what_ends_in_time_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stoppable(1, left_behind=never):
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
