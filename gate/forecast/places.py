"""Where a rule stands and how much it has to go by: the cases it is about, its name with its limit.

Also what needs no assumption about flips: rules that cannot pass even a candidate without a single one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from gate import wording
from gate.domain import Case, Hypothesis
from gate.rules import MaxDrop, MaxFlips, MaxShift, MinGain, MinScore
from gate.rules.base import Rule, Scope
from gate.rules.decide import Declared
from gate.stats.clustered import MIN_CLUSTERS
from gate.stats.planning import cases_to_pass_unchanged

_TIE_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How much a hypothesis has to go by."""

    cases: int
    clusters: int | None
    """Number of clusters, a case without one being its own; None when no case names a cluster."""

    @classmethod
    def of(cls, hypothesis: Hypothesis, scope: Scope) -> Self:
        """Count the cases that a hypothesis is about."""
        every = scope.suites[hypothesis.suite].cases
        chosen = [case for case in every if hypothesis.slice is None or hypothesis.slice in case.tags]
        return cls(cases=len(chosen), clusters=_count_clusters(chosen))

    @property
    def units(self) -> int:
        """What counts as independent."""
        return self.cases if self.clusters is None else self.clusters

    def scaled(self, factor: float) -> Self:
        """As many times the cases and the clusters, at least one."""
        cases = max(1, round(self.cases * factor))
        clusters = None if self.clusters is None else min(cases, max(1, round(self.clusters * factor)))
        return type(self)(cases=cases, clusters=clusters)

    def at_least(self, needed: int) -> int:
        """The number of units when so many suffice by their number alone: too few clusters never prove a pass."""
        return needed if self.clusters is None else max(needed, MIN_CLUSTERS)


def label(rule: Rule) -> str:
    """Name a rule with its limit."""
    match rule:
        case MaxDrop():
            named = f"max_drop of {rule.drop}" + ("" if rule.fail_null == "margin" else f" ({rule.fail_null})")
        case MinGain():
            named = f"min_gain of {rule.gain}"
        case MinScore():
            named = f"min_score of {wording.amount(rule.score)} %"
        case MaxFlips():
            named = f"max_flips of {rule.rate}"
        case MaxShift():
            named = f"max_shift of {rule.measure} by {rule.shift}"
        case _:
            named = rule.kind
    return named if rule.against == "base" or named == rule.kind else f"{named} against {rule.against}"


def hopeless(one: Declared) -> str | None:
    """Say that a rule cannot pass a candidate without a single flip, or can pass only a better one; else None."""
    rule = one.rule
    if isinstance(rule, MaxDrop) and rule.drop.value == 0 and one.scope.suite is not None:
        name = one.scope.suite.name
        return f"{name}: max_drop of 0 pp can pass only on a proven gain; an unchanged model stays inconclusive."
    for hypothesis in rule.declare(one.scope):
        if _is_out_of_reach(hypothesis):
            return (
                f"{_where(hypothesis)}: {label(rule)} can never pass: no number of cases proves that nothing is amiss."
            )
        evidence, fewest = Evidence.of(hypothesis, one.scope), fewest_units(hypothesis)
        if fewest is None or evidence.cases == 0 or evidence.units >= (needed := evidence.at_least(fewest)):
            continue
        best = "every answer is right" if hypothesis.measure == "score" else "no answer changes"
        counted, unit = wording.count(evidence.cases, "case"), ""
        if evidence.clusters is not None:
            counted, unit = f"{counted} in {wording.count(evidence.clusters, 'cluster')}", " clusters"
        where = f"{_where(hypothesis)}: {label(rule)}"
        return f"{where} cannot pass on {counted}, even if {best}; at least {needed}{unit} are needed."
    return None


def _where(hypothesis: Hypothesis) -> str:
    return f"{hypothesis.suite} [{hypothesis.slice}]" if hypothesis.slice else hypothesis.suite


def _is_out_of_reach(hypothesis: Hypothesis) -> bool:
    """Whether passing would take a proof that all answers are right, or that not one changed."""
    match hypothesis.measure:
        case "score":
            return hypothesis.score is not None and hypothesis.score >= 1
        case "flips" | "shift":
            return hypothesis.margin <= 0
        case _:
            return False


def fewest_units(hypothesis: Hypothesis) -> int | None:
    """Units with which the best candidate there could be passes; None where that is no question of their number."""
    match hypothesis.measure:
        case "delta" if hypothesis.margin > 0:
            return cases_to_pass_unchanged(hypothesis.margin, hypothesis.alpha)
        case "shift" if hypothesis.margin > 0 and hypothesis.metric != "length":
            return cases_to_pass_unchanged(hypothesis.margin, hypothesis.alpha)
        case "flips":
            return _all_good(1 - hypothesis.margin, hypothesis.alpha)
        case "score" if hypothesis.score is not None:
            return _all_good(hypothesis.score, hypothesis.alpha)
        case _:
            return None


def _all_good(required: float, alpha: float) -> int | None:
    """Trials that prove a share to be above `required` when all are successes; None where none do."""
    if required >= 1:
        return None
    return 1 if required <= 0 else max(1, math.ceil(math.log(alpha) / math.log(required) - _TIE_SLACK))


def _count_clusters(cases: Sequence[Case]) -> int | None:
    named = [case.cluster for case in cases if case.cluster is not None]
    return len(set(named)) + len(cases) - len(named) if named else None
