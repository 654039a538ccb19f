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


def take_for(other: BaseException) -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except KeyboardInterrupt:
        raise other from None


@pytest.mark.parametrize("made_of_it", [ValueError(), SystemExit(1), GateError("odd")])
def test_stoppable__what_a_library_makes_of_a_signal_is_not_what_is_told(made_of_it: BaseException) -> None:
    with pytest.raises(Interrupted, match="SIGTERM"), stoppable(None, left_behind=never):
        take_for(made_of_it)


ENTERING_AND_LEAVING = """
import signal
from gate.action.stopping import stoppable
from gate.errors import Interrupted
before = signal.getsignal(signal.SIGTERM)
def left_behind(error):
    print("left behind")
print("go", flush=True)
try:
    while True:
        with stoppable(None, left_behind=left_behind):
            pass
except Interrupted:
    assert signal.getsignal(signal.SIGTERM) is before
    print("told")
"""


def test_stoppable__a_signal_while_it_is_entered_or_left_is_told_too() -> None:
    command = [sys.executable, "-c", ENTERING_AND_LEAVING]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        process.terminate()
    # One that falls between two of them ends the process as always.
    outcomes = {(process.communicate(timeout=60)[0], process.returncode) for process in running}
    assert outcomes <= {("told\n", 0), ("", -signal.SIGTERM)}


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
