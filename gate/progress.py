"""How far a run is, on stderr: a bar on a terminal, else a line every ten seconds, or nothing."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_LINE_EVERY_SECONDS = 10.0


class ProgressDisplay:
    """A context manager around a run; the bar disappears when it ends."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._total = self._done = 0
        self._began = self._said = 0.0

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Write one line, unless quiet."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def begin(self, total: int, done: int) -> None:
        """Answering starts."""
        self._total, self._done = total, done
        self._began = self._said = time.monotonic()
        if done:
            self.say(f"{done:,} of {total:,} answers are there already")
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("answering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("answering", total=total, completed=done)
            self._bar.start()

    def advance(self, answers: int) -> None:
        """Some more answers are there."""
        self._done += answers
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], answers)
        elif time.monotonic() - self._said >= _LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            self.say(f"answered {self._done:,} of {self._total:,} after {self._said - self._began:.0f} s")
