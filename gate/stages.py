"""Asking in stages: every suite in shuffled order, a share of each suite at a time, with a look in between.

Knows which case belongs to which stage and what a look has to show for a run to end; not how answers are made or
tested.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gate.domain import Finding, Reason, Suite
from gate.plan import Plan

MOST_STAGES = 20
LEAST_CASES = 25
"""Cases that the largest suite is asked in one stage, at least."""

_OPEN_REASONS: frozenset[Reason] = frozenset({
    "straddles_margin", "underpowered", "drop_significant_size_unproven", "too_few_clusters", "missing_cases",
    "degenerate", "no_gain_shown",
})  # fmt: skip
"""Why a rule proves nothing yet."""

_FINAL_WHEN_BROKEN = frozenset({"critical"})
"""Rules that prove nothing, but whose failure no later case can undo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The order in which a run asks, and how far it came."""

    seed: int
    """Of the shuffle."""
    stages: int
    """How many the run was planned with."""
    asked: int
    """How many were answered."""

    @property
    def finished(self) -> bool:
        """Whether every case was asked."""
        return self.asked == self.stages

    def stages_of(self, suite: Suite) -> dict[str, int]:
        """Case -> its stage, from 0. Clusters stay whole; each stage has its share of every suite."""
        units: dict[tuple[bool, str], list[str]] = {}
        for case in suite.cases:
            key = (False, case.id) if case.cluster is None else (True, case.cluster)
            units.setdefault(key, []).append(case.id)
        shuffled = list(units.values())
        random.Random(f"{self.seed} {suite.name}").shuffle(shuffled)  # noqa: S311 - a repeatable order, not a secret
        stage_of: dict[str, int] = {}
        for unit in shuffled:
            stage = len(stage_of) * self.stages // len(suite.cases)
            stage_of |= dict.fromkeys(unit, stage)
        return stage_of

    def asked_part(self, plan: Plan) -> Plan:
        """The plan with the cases that were asked so far, and no others."""
        if self.finished:
            return plan
        suites = []
        for one in plan.suites:
            stage_of = self.stages_of(one.suite)
            cases = tuple(case for case in one.suite.cases if stage_of[case.id] < self.asked)
            suites.append(replace(one, suite=replace(one.suite, cases=cases)))
        return replace(plan, suites=tuple(suites))


def schedule(plan: Plan) -> Schedule:
    """Plan the stages of a run, none of them asked yet."""
    largest = max((len(one.suite.cases) for one in plan.suites), default=0)
    return Schedule(seed=plan.seed, stages=max(1, min(MOST_STAGES, largest // LEAST_CASES)), asked=0)


def is_decided(findings: Sequence[Finding]) -> bool:
    """Whether a look shows what the verdict will be.

    It does when a blocking rule fails for good, or when every blocking rule passes for good: by proof.

    Args:
        findings: What the rules say of the cases asked so far.
    """
    blocking = [finding for finding in findings if finding.blocking]
    if any(one.outcome == "fail" and (_proven(one) or _is_final(one)) for one in blocking):
        return True
    return bool(blocking) and all(is_passed(one) for one in blocking)


def is_passed(finding: Finding) -> bool:
    """Whether a rule passes for good: by proof."""
    return finding.outcome in ("pass", "warn") and _proven(finding)


def reserved(finding: Finding) -> Finding:
    """What a finding is worth when not every case was asked: only what is proven or cannot be undone stands."""
    undecided = finding.outcome == "inconclusive" and finding.p_value is not None
    if _proven(finding) or undecided or _is_final(finding) or finding.outcome == "error":
        return finding
    message = "Not judged: the run stopped early, and this rule needs every case."
    return replace(finding, outcome="inconclusive", reason="stopped_early", message=message, observed=None, advice=())


def stopped_note(asked: int, planned: int) -> str:
    """What a reader must know of a run that ended early."""
    return (
        f"Stopped after {asked:,} of {planned:,} cases: more would not have changed the verdict, or were unlikely to. "
        "The p-values allow for that; "
        "the estimates and intervals of a run that stopped early lean towards the extreme."
    )


def _proven(finding: Finding) -> bool:
    # A rule that demands proof fails for the lack of it, which more cases may still bring.
    return finding.p_value is not None and finding.reason not in _OPEN_REASONS


def _is_final(finding: Finding) -> bool:
    return finding.outcome == "fail" and finding.rule in _FINAL_WHEN_BROKEN
