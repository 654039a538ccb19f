"""Asking in stages: every suite in shuffled order, a share of each suite at a time, with a look in between.

Knows which case belongs to which stage and what a look has to show for a run to end; not how answers are made or
tested.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import Field

from gate.domain import Finding, Suite
from gate.plan import Plan

MOST_STAGES = 20
LEAST_CASES = 25
"""Cases that the largest suite is asked in one stage, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The order in which a run asks, and how far it came."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Of the shuffle."""
    stages: Annotated[int, Field(ge=1, le=MOST_STAGES)]
    """How many the run was planned with."""
    asked: Annotated[int, Field(ge=0)]
    """How many were answered."""

    def __post_init__(self) -> None:
        """Refuse what no run leaves behind; a stored schedule may say anything."""
        if self.asked > self.stages:
            raise ValueError(f"{self.asked} of {self.stages} stages cannot have been asked.")

    @property
    def finished(self) -> bool:
        """Whether every case was asked."""
        return self.asked == self.stages

    @property
    def complete(self) -> Self:
        """The same, with every case asked."""
        return replace(self, asked=self.stages)

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
    """Whether a look shows what the verdict will be: a blocking rule fails for good, or all of them pass for good.

    Args:
        findings: What the rules say of the cases asked so far.
    """
    blocking = [finding for finding in findings if finding.blocking]
    if any(finding.outcome == "fail" and finding.final for finding in blocking):
        return True
    return bool(blocking) and all(is_passed(finding) for finding in blocking)


def is_passed(finding: Finding) -> bool:
    """Whether a rule passes for good."""
    return finding.outcome in ("pass", "warn") and finding.final


def reserved(finding: Finding) -> Finding:
    """What a finding is worth when not every case was asked: only what is final or undecided stands."""
    undecided = finding.outcome == "inconclusive" and finding.p_value is not None
    if finding.final or undecided or finding.outcome == "error":
        return finding
    message = "Not judged: the run stopped early, and this rule needs every case."
    return replace(finding, outcome="inconclusive", reason="stopped_early", message=message, observed=None, advice=())


def stopped_note(asked: int, planned: int) -> str:
    """What a reader must know of a run that ended early."""
    return (
        f"Stopped after {asked:,} of {planned:,} cases: more would not have changed the verdict, or were unlikely to. "
        "The p-values allow for that; the estimates and intervals of a run that stopped early lean towards the extreme."
    )
