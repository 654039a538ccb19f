"""What accompanies a run while it answers: the clock, the disk, and the rules, which may be decided early."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gate.assemble import StripThinking
from gate.deciding import decide_run, is_futile_run
from gate.domain import Response
from gate.engine.answer_cache import CachedAnswers
from gate.plan import Plan
from gate.stages import Schedule, is_decided


class Stopwatch:
    """How long the stages of a run took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        began = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        """Add to a stage's time."""
        self.seconds[name] = round(self.seconds.get(name, 0.0) + seconds, 3)


class Recorder:
    """Takes answers in as they come: to disk, to the cache, and their time to the arm that gave them."""

    def __init__(
        self, write: Callable[[tuple[Response, ...]], None], cache: CachedAnswers | None, watch: Stopwatch
    ) -> None:
        self._write, self._cache, self._watch = write, cache, watch
        self._since = time.perf_counter()

    def __call__(self, responses: tuple[Response, ...]) -> None:
        """Take some answers of one arm in."""
        self._write(responses)
        if self._cache is not None:
            self._cache.remember(one for one in responses if one.arm != "candidate")
        now = time.perf_counter()
        self._watch.add(f"answer {responses[0].arm}", now - self._since)
        self._since = now


class Looking:
    """Looks at the rules after each stage of a run, and knows how far it came."""

    def __init__(
        self, plan: Plan, answers: Sequence[Response], stages: Schedule | None, *, strip: StripThinking, futility: bool
    ) -> None:
        """Begin before the first stage.

        Args:
            plan: What is asked.
            answers: The answers, which grow while the run goes on.
            stages: In which stages is asked; None: everything at once.
            strip: Whether reasoning is removed before scoring.
            futility: Whether to stop as well when a failure has become unlikely.
        """
        self._plan, self._answers, self._strip = plan, answers, strip
        self._lenient = futility and plan.fail_on != "inconclusive"
        self.so_far = stages
        """None: everything is asked at once."""

    def __call__(self, stage: int) -> bool:
        """Whether a run may stop after this stage; at the end nothing is left to stop."""
        if self.so_far is None:
            return False
        self.so_far = replace(self.so_far, asked=stage + 1)
        if self.so_far.finished:
            return False
        look = decide_run(self._plan, self._answers, strip=self._strip, schedule=self.so_far, briefly=True)
        return is_decided(look.findings) or (self._lenient and is_futile_run(self._plan, look))
