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

    guards: ClassVar[bool] = True
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
        # What could have been: a case whose reference answer is missing may have worked, and then been kept or lost.
        maybe_kept = [pair for pair in pairs if pair.reference is None and _may_be(pair.candidate)]
        maybe_lost = [pair for pair in pairs if pair.reference is None and pair.candidate != 1]
        kept, unknown = sum(pair.candidate == 1 for pair in good), sum(pair.candidate is None for pair in good)
        missing = unknown + sum(pair.reference is None for pair in pairs)
        if not good:
            worked = "worked before: there is nothing to keep" if not missing else "is known to have worked before"
            return Judgement(
                outcome="inconclusive",
                reason="missing_cases" if missing else "degenerate",
                message=f"None of {wording.count(len(pairs), 'case')} {worked}.",
            )
        observed = kept / (len(good) - unknown) if len(good) > unknown else None
        worst = kept / (len(good) + len(maybe_lost))
        best = (kept + unknown + len(maybe_kept)) / (len(good) + len(maybe_kept))
        message = f"{kept} of {wording.count(len(good), 'case')} that worked still do"
        lost = f": {_named(good)}" if kept + unknown < len(good) else ""
        if worst >= self.share:
            return Judgement(outcome="pass", message=f"{message}{lost}.", observed=observed)
        if best < self.share:
            return Judgement(outcome="fail", message=f"{message}{lost}.", observed=observed)
        open_ = f"{message}; {wording.count(missing, 'case')} without a score could turn the verdict."
        return Judgement(outcome="inconclusive", reason="missing_cases", message=open_, observed=observed)


def _may_be(score: float | None) -> bool:
    """Whether a score is right or may be."""
    return score is None or score == 1


_NAMED_AT_MOST = 5


def _named(good: Sequence[Pair]) -> str:
    lost = [pair.case for pair in good if pair.candidate is not None and pair.candidate < 1]
    more = f" and {len(lost) - _NAMED_AT_MOST} more" if len(lost) > _NAMED_AT_MOST else ""
    return "lost " + ", ".join(f"`{case}`" for case in lost[:_NAMED_AT_MOST]) + more
