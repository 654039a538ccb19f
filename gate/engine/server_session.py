"""The arms of a run behind a server: asked side by side, with adapters that are loaded, proven, and unloaded again.

Knows which arm has which name there; what goes over the wire is `Server`'s business.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

from gate.domain import Arm, ArmName, Check, Response
from gate.engine.plain import draw_seed
from gate.engine.server_client import Refused, Server
from gate.engine.server_probe import PROBES_AT_MOST, Probed, judge_probes
from gate.engine.server_wire import Completion
from gate.engine.session import NO_DRAFTS, Drafts, Prompt, Request
from gate.engine.side_by_side import side_by_side
from gate.errors import AdapterRefused, BrokenRun
from gate.transport.http import NoReply

FAILURES_IN_A_ROW = 8
"""After so many answers that could not be had, one after the other, it is not the cases."""

_SEEDS = 2**31
_MEND = "Check the server and `engine.url`; `engine.timeout_seconds` is how long one answer may take."
_GO_ON = "Finished answers are kept: mend the server, and the same command continues."


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An arm as the server knows it."""

    model: str
    """What a request asks for."""
    adapter: str | None = None
    """The name under which the gate had its adapter loaded; None: that is not the gate's doing."""
    path: str = ""
    """Its folder, as the server sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who answers what."""

    served: Mapping[ArmName, Served]
    arms: Mapping[ArmName, Arm]
    batches: Mapping[ArmName, tuple[tuple[Prompt, ...], ...]]
    environment: Mapping[str, str]
    warnings: tuple[str, ...]


class ServerSession:
    """Arms behind a server. See `Session`."""

    def __init__(self, server: Server, request: Request, cast: Cast, *, width: int) -> None:
        """Load and prove the adapters; leave none loaded if that fails.

        Args:
            server: Who answers.
            request: What is asked of whom.
            cast: Every arm.
            width: Most requests at once.
        """
        self.settings = request.settings
        self._server, self._served, self._width = server, cast.served, width
        self._lock, self._in_a_row = threading.Lock(), 0
        self.arms, self.environment, self.warnings = cast.arms, cast.environment, cast.warnings
        self.batches = cast.batches
        self.checks: tuple[Check, ...] = ()
        try:
            for one in self._served.values():
                if one.adapter is not None:
                    server.load(one.adapter, one.path)
            self.checks = self._prove(request)
        except BaseException:
            self._leave()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._leave()

    def answer(
        self, arm: ArmName, batch: Sequence[Prompt], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> tuple[Response, ...]:
        """Ask for a batch; see `Session.answer`. A case without an answer has the reason in its place.

        Raises:
            BrokenRun: If the server is gone, or fails again and again.
        """
        return tuple(side_by_side(lambda prompt: self._answer(arm, prompt, repeat), batch, width=self._width))

    def answer_many(
        self, arm: ArmName, batches: Sequence[Sequence[Prompt]], *, repeat: int, drafts: Drafts = NO_DRAFTS
    ) -> Iterator[tuple[Response, ...]]:
        """Ask for one batch after the other; the server has its own ways to be fast."""
        for batch in batches:
            yield self.answer(arm, batch, repeat=repeat)

    def _answer(self, arm: ArmName, prompt: Prompt, repeat: int) -> Response:
        try:
            completion = self._complete(arm, prompt, repeat)
        except (NoReply, Refused, ValueError) as problem:
            if isinstance(problem, NoReply) and problem.kind == "unreachable":
                raise BrokenRun(problem.message, fix=_GO_ON) from None
            return self._failed(arm, prompt, repeat, reason=str(problem))
        if completion.error is not None:
            return self._failed(arm, prompt, repeat, reason=completion.error)
        with self._lock:
            self._in_a_row = 0
        return _response(arm, prompt, repeat, completion=completion)

    def _complete(self, arm: ArmName, prompt: Prompt, repeat: int) -> Completion:
        served = self._served[arm]
        seed = draw_seed(self.settings.seed, prompt, repeat) % _SEEDS if self.settings.temperature else None
        try:
            return self._server.complete(served.model, prompt, seed=seed)
        except Refused as refused:
            if refused.quota:
                raise BrokenRun(f"the quota is used up ({refused.message})", fix=_GO_ON) from None
            self._server.refuse_access(refused)
            if refused.status != 404:
                raise
            if served.adapter is None:
                raise self._server.unknown_model(served.model, refused.message) from None
        # Another run with the same adapter has ended and taken it along, or the server was started anew.
        self._server.load(served.adapter, served.path)
        return self._server.complete(served.model, prompt, seed=seed)

    def _failed(self, arm: ArmName, prompt: Prompt, repeat: int, *, reason: str) -> Response:
        with self._lock:
            self._in_a_row += 1
            failures = self._in_a_row
        if failures >= FAILURES_IN_A_ROW:
            raise BrokenRun(f"{failures} answers in a row could not be had; the last: {reason}", fix=_GO_ON)
        return Response(
            suite=prompt.suite, case=prompt.case, arm=arm, repeat=repeat, text="", finish="error", error=reason
        )

    def _prove(self, request: Request) -> tuple[Check, ...]:
        """Check that every arm with weights of its own answers otherwise than the base."""
        prompts = _spread([prompt for batch in self.batches["base"] for prompt in batch])
        arms = [arm for arm in self.batches if arm not in ("base", "prompted")]
        return tuple(self._prove_arm(arm, prompts, request.allow) for arm in arms)

    def _prove_arm(self, arm: ArmName, prompts: Sequence[Prompt], allow: frozenset[str]) -> Check:
        title = f"the server applies the {arm}'s weights"
        probes, reason = [], "nothing is asked"
        # One request at a time: what shares a batch moves the last digits.
        for prompt in prompts:
            try:
                before, adapter, after = [self._probe(name, prompt) for name in ("base", arm, "base")]
            except (Refused, ValueError) as problem:
                reason = str(problem)
            else:
                probes.append(Probed(before=before, adapter=adapter, after=after))
        if prompts and not probes:
            raise BrokenRun(f"{self._server.http.host} answers none of the first prompts: {reason}")
        if not probes:
            return Check(id="P12", title=title, outcome="skipped", message=reason)
        finding = judge_probes(probes)
        if finding.applied or "P12" in allow:
            return Check(id="P12", title=title, outcome="ok" if finding.applied else "allowed", message=finding.seen)
        raise AdapterRefused(
            f"{self._server.http.host} answers with the base in place of the {arm} ({self._served[arm].model}): "
            f"{finding.seen}",
            fix="Some servers take an adapter and pass it over in silence, as when its modules have other names there. "
            "`allow: [P12]` goes on all the same.",
        )

    def _probe(self, arm: ArmName, prompt: Prompt) -> Completion:
        model = self._served[arm].model
        try:
            return self._server.probe(model, prompt)
        except NoReply as problem:
            raise BrokenRun(problem.message, fix=_MEND) from None
        except Refused as refused:
            self._server.refuse_access(refused)
            if refused.status == 404:
                raise self._server.unknown_model(model, refused.message) from None
            if refused.status == 429 or refused.status >= 500:
                raise BrokenRun(f"{self._server.http.host} does not answer: {refused.message}", fix=_MEND) from None
            raise

    def _leave(self) -> None:
        self._server.http.stop()
        for one in self._served.values():
            if one.adapter is not None:
                self._server.unload(one.adapter)
        self._server.http.close()
        self._server.desk.close()


def _spread(prompts: Sequence[Prompt]) -> list[Prompt]:
    """A few prompts from as many suites as there are."""
    by_suite: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_suite.setdefault(prompt.suite, []).append(prompt)
    in_turn = [one for row in zip_longest(*by_suite.values()) for one in row if one is not None]
    return in_turn[:PROBES_AT_MOST]


def _response(arm: ArmName, prompt: Prompt, repeat: int, *, completion: Completion) -> Response:
    return Response(
        suite=prompt.suite,
        case=prompt.case,
        arm=arm,
        repeat=repeat,
        text=completion.text,
        finish=completion.finish,
        tokens=completion.tokens,
    )
