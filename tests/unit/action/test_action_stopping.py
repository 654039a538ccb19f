"""How a step ends before it is done."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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


DEAF = """
import time
from pathlib import Path
from gate.action.stopping import stoppable
with stoppable(0.01, left_behind=lambda error: Path("left").write_text(error.message)):
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass
"""


def test_stoppable__what_does_not_stop_is_ended_and_the_log_says_why(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DEAF], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    reason = "The run took longer than 0.01 minutes (input `timeout-minutes`)."
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"gate: {reason}\n  Allow more")
    assert (tmp_path / "left").read_text("utf-8") == reason


def test_stoppable__what_ends_in_time_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stoppable(1, left_behind=never):
        pass
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
