"""What a signal does to a step."""

import os
import signal
from contextlib import suppress

import pytest

from gate.action.stopping import stoppable
from gate.errors import Interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stoppable__a_signal_that_nothing_noticed_is_no_success(number: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=number.name), stoppable(None, left_behind=print), suppress(KeyboardInterrupt):
        os.kill(os.getpid(), number)
