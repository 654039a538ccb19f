"""`critical`: cases that may not break, whatever the averages say."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from gate import wording
from gate.domain import Comparison
from gate.rules.base import Judgement, Rule, Scope, Unit, cases_in, pairs_in

_NAMED_AT_MOST = 5


class Critical(Rule):
    """Fails when any critical case scores lower than on the reference arm. Observed, not proven: every one counts."""

    observes: ClassVar[Unit] = "count"

    kind: Literal["critical"] = "critical"
    tag: str | None = Field(default=None, min_length=1)
    """Cases with this tag; default: cases marked `critical`."""

    def problem(self, scope: Scope) -> str | None:
        """A rule about no case at all is a mistake in the case files or in the tag."""
        if (common := super().problem(scope)) is not None:
            return common
        if not any(self._meant(case.tags, critical=case.critical) for _, case in cases_in(scope)):
            return "no case is marked critical" if self.tag is None else f"no case has the tag {self.tag!r}"
        return None

    @property
    def limit(self) -> tuple[float, str]:
        """None may break."""
        return 0, "none may break" if self.tag is None else f"none tagged {self.tag} may break"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Count the critical cases that broke, and name them."""
        pairs = [
            (suite, pair)
            for suite, pair in pairs_in(scope, self.against)
            if self._meant(pair.tags, critical=pair.critical)
        ]
        broken = [
            (suite, pair.case)
            for suite, pair in pairs
            if pair.candidate is not None and pair.reference is not None and pair.candidate < pair.reference
        ]
        missing = sum(pair.candidate is None or pair.reference is None for _, pair in pairs)
        if broken:
            named = ", ".join(f"`{suite}/{case}`" for suite, case in broken[:_NAMED_AT_MOST])
            more = f" and {len(broken) - _NAMED_AT_MOST} more" if len(broken) > _NAMED_AT_MOST else ""
            message = f"{len(broken)} of {wording.count(len(pairs), 'critical case')} broke: {named}{more}."
            return Judgement(outcome="fail", message=message, observed=len(broken), final=True)
        if missing:
            message = f"{missing} of {wording.count(len(pairs), 'critical case')} could not be scored on both arms."
            return Judgement(outcome="inconclusive", reason="missing_cases", message=message, observed=0)
        return Judgement(
            outcome="pass", message=f"None of {wording.count(len(pairs), 'critical case')} broke.", observed=0
        )

    def _meant(self, tags: Sequence[str], *, critical: bool) -> bool:
        marked = critical if self.tag is None else self.tag in tags
        return marked and (self.slice is None or self.slice in tags)
