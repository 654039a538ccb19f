"""`retention`: of what is known to work, this share must go on working."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from gate import wording
from gate.domain import Comparison, Pair
from gate.rules.amount import ShareField
from gate.rules.base import Judgement, Rule, Scope, Unit, pairs_in


class Retention(Rule):
    """Fails when fewer than `share` of the known-good cases are kept. Observed, not proven.

    Known-good are the cases that the reference arm answers fully right; kept is one that the candidate does too.
    """

    observes: ClassVar[Unit] = "share"

    kind: Literal["retention"] = "retention"
    share: ShareField = 0.95
    """The share that must be kept."""

    @property
    def limit(self) -> tuple[float, str]:
        """The share that must be kept."""
        return self.share, f"keep at least {wording.percent(self.share)} of what worked"

    def judge(self, scope: Scope, tested: Sequence[Comparison]) -> Judgement:
        """Count what was kept; a missing answer is neither kept nor lost, and may leave the question open."""
        pairs = [pair for _, pair in pairs_in(scope, self.against) if self.slice is None or self.slice in pair.tags]
        good = [pair for pair in pairs if pair.reference == 1]
        kept, unknown = sum(pair.candidate == 1 for pair in good), sum(pair.candidate is None for pair in good)
        # A case whose reference answer is missing may have been good, and then kept or lost.
        unsure = sum(pair.reference is None for pair in pairs)
        if not good:
            return Judgement(
                outcome="inconclusive",
                reason="missing_cases" if unsure else "degenerate",
                message=f"None of {wording.count(len(pairs), 'case')} worked before: there is nothing to keep.",
            )
        # Measured on what is known; whether it holds is asked of the best and of the worst that could have been.
        observed = kept / (len(good) - unknown) if len(good) > unknown else None
        worst = kept / (len(good) + unsure)
        best = (kept + unknown + unsure) / (len(good) + unsure)
        message = f"{kept} of {wording.count(len(good), 'case')} that worked still do"
        lost = f": {_named(good)}" if kept + unknown < len(good) else ""
        if worst >= self.share:
            return Judgement(outcome="pass", message=f"{message}{lost}.", observed=observed)
        if best < self.share:
            return Judgement(outcome="fail", message=f"{message}{lost}.", observed=observed)
        missing = f"{message}; {wording.count(unknown + unsure, 'case')} without a score could turn the verdict."
        return Judgement(outcome="inconclusive", reason="missing_cases", message=missing, observed=observed)


_NAMED_AT_MOST = 5


def _named(good: Sequence[Pair]) -> str:
    lost = [pair.case for pair in good if pair.candidate is not None and pair.candidate < 1]
    more = f" and {len(lost) - _NAMED_AT_MOST} more" if len(lost) > _NAMED_AT_MOST else ""
    return "lost " + ", ".join(f"`{case}`" for case in lost[:_NAMED_AT_MOST]) + more
