"""What the gate decides about given scores: the real rules, the real tests, the real `decide`.

Left out is what no decision depends on: the interval, the second opinion and the counts shown in messages. What two
counts decide is remembered, and for right-or-wrong suites whole regions of tables are found by walking their edges.
This module knows nothing about what is true; it only asks the product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gate.domain import ArmName, Comparison, Hypothesis, Outcome, Role
from gate.rules.base import Rule, Scope, SuiteFacts
from gate.rules.decide import Declared, decide
from gate.stats import binary
from gate.stats.procedures import BinaryPairs, Procedure
from gate.stats.shift import BinaryShift
from gate.stats.tradeoff import Tradeoff

ALPHA = 0.05
SEED = 0
OPEN: frozenset[Outcome] = frozenset({"pass", "warn"})
"""Outcomes of a rule that leave the gate open."""

_ARMS = frozenset[ArmName]({"base", "candidate", "prompted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was observed, beside the procedure that tests it."""

    n: int
    delta: float
    estimate: float | None = None
    against: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """For every table [gains, losses] whether the gate blocks and whether it passes."""

    blocked: NDArray[np.bool_]
    passed: NDArray[np.bool_]


def facts(name: str, role: Role) -> SuiteFacts:
    """A suite as a rule sees it; its cases are of no concern to the proven rules."""
    return SuiteFacts(name=name, role=role, scorer="exact_match", binary=True, metric="mean", cases=())


def comparison(hypothesis: Hypothesis, seen: Seen, p_values: tuple[float, float], clusters: int | None) -> Comparison:
    """A comparison with the p-values (of failing, of passing) and nothing that decides nothing."""
    return Comparison(
        rule=hypothesis.rule,
        suite=hypothesis.suite,
        slice=None,
        metric=hypothesis.metric,
        measure=hypothesis.measure,
        arm=hypothesis.arm,
        against=hypothesis.against,
        n=seen.n,
        clusters=clusters,
        dropped=0,
        estimate=seen.estimate,
        against_estimate=seen.against,
        delta=seen.delta,
        low=None,
        high=None,
        level=1 - 2 * hypothesis.alpha,
        margin=hypothesis.margin,
        fail_margin=hypothesis.fail_margin,
        relative=hypothesis.relative,
        p_regression=p_values[0],
        p_regression_adjusted=None,
        p_noninferior=p_values[1],
        p_no_change=None,
        regressed=None,
        fixed=None,
        method="",
        smallest_detectable_drop=None,
        decided_by_missing=False,
        task_suite=hypothesis.task_suite,
    )


def tested(hypothesis: Hypothesis, procedure: Procedure, seen: Seen) -> Comparison:
    """Test one hypothesis. Scores and flips are tested against their bar, that is at margin 0, as in the product."""
    at_bar = hypothesis.measure in ("score", "flips")
    fail_margin, margin = (0.0, 0.0) if at_bar else (hypothesis.fail_margin, hypothesis.margin)
    p_values = (procedure.p_regression(fail_margin), procedure.p_noninferior(margin))
    return comparison(hypothesis, seen, p_values, procedure.clusters)


def outcome(rule: Rule, procedure: Procedure, seen: Seen, *, role: Role = "regression") -> Outcome:
    """What one rule under one suite concludes, alone in its run."""
    suite = facts("suite", role)
    scope = Scope(suite=suite, suites={suite.name: suite}, arms=_ARMS, alpha=ALPHA)
    _, (finding,) = decide([Declared(rule=rule, scope=scope)], lambda one: tested(one, procedure, seen))
    return finding.outcome


@cache
def p_regression(gains: int, losses: int, n: int, margin: float) -> float:
    """The product's binary p-value of failing, remembered."""
    return binary.p_regression(gains, losses, n, margin=margin)


@cache
def p_noninferior(gains: int, losses: int, n: int, margin: float) -> float:
    """The product's binary p-value of passing, remembered."""
    return binary.p_noninferior(gains, losses, n, margin=margin)


class RememberedPairs(BinaryPairs):
    """The product's binary procedure; no table is tested twice at one margin."""

    __slots__ = ()

    def p_regression(self, margin: float) -> float:
        """P-value of H0: delta >= -margin."""
        return p_regression(self.gains, self.losses, self.n, margin)

    def p_noninferior(self, margin: float) -> float:
        """P-value of H0: delta <= -margin."""
        return p_noninferior(self.gains, self.losses, self.n, margin)


def of_pairs(rule: Rule, gains: int, losses: int, n: int, *, role: Role = "regression") -> Outcome:
    """What a rule concludes from one table of right-or-wrong pairs."""
    seen = Seen(n=n, delta=(gains - losses) / n, estimate=0.5 + (gains - losses) / n, against=0.5)
    return outcome(rule, RememberedPairs(gains=gains, losses=losses, n=n), seen, role=role)


def of_shares(rule: Rule, gains: int, losses: int, n: int) -> Outcome:
    """What `max_shift` concludes from one table of a property that an answer has or has not."""
    procedure = BinaryShift(gains=gains, losses=losses, n=n)
    return outcome(rule, procedure, Seen(n=n, delta=procedure.shift, estimate=0.5, against=0.5))


def regions(
    decide_table: Callable[[int, int], Outcome], n: int, *, most: tuple[int, int], mirrored: bool = False
) -> Decisions:
    """Decide all tables with at most `most` gains and losses.

    With the losses given, more gains never turn a pass into anything else nor anything else into a block, and more
    losses never the other way: Tango's score, by which tables are ordered, is monotone in both. So both regions
    are staircases, and only the tables along their edges are asked about.

    Args:
        decide_table: (gains, losses) -> outcome.
        n: Pairs in a table.
        most: Largest numbers of gains and of losses that matter.
        mirrored: Gains and losses are alike; only tables with at least as many losses as gains are asked about.

    Returns:
        The decisions, as arrays of shape (most gains + 1, most losses + 1).
    """
    most_gains, most_losses = (max(most), max(most)) if mirrored else most
    gains = np.arange(most_gains + 1)[:, None]
    blocked = np.zeros((most_gains + 1, most_losses + 1), dtype=np.bool_)
    passed = np.zeros_like(blocked)
    asked = cache(decide_table)
    last_blocked, first_passed = -1, 0
    for losses in range(most_losses + 1):
        limit = min(most_gains, n - losses, losses if mirrored else n)
        while last_blocked < limit and asked(last_blocked + 1, losses) == "fail":
            last_blocked += 1
        while first_passed <= limit and asked(first_passed, losses) not in OPEN:
            first_passed += 1
        column = gains[:, 0] <= limit
        blocked[:, losses] = column & (gains[:, 0] <= last_blocked)
        passed[:, losses] = column & (gains[:, 0] >= first_passed)
    if mirrored:
        size_gains, size_losses = most[0] + 1, most[1] + 1
        blocked, passed = ((half | half.T)[:size_gains, :size_losses] for half in (blocked, passed))
    return Decisions(blocked=blocked, passed=passed)


def tradeoff_p_regression(task: BinaryPairs, suite: BinaryPairs, scale: float, *, level: float) -> float:
    """The product's p-value of failing a trade-off; 1 for one that certainly exceeds `level`.

    It is twice the smallest, over splits, of the larger of a falling and a rising component p-value. Where both
    exceed level / 2 at one split, one of them does at every other, so that the p-value exceeds `level`.
    """
    split, half = likely_split(task, suite, scale), level / 2
    if task.p_regression(-split) > half and suite.p_regression(split * scale) > half:
        return 1.0
    return Tradeoff(task=task, suite=suite, scale=scale).p_regression(0.0)


def tradeoff_p_noninferior(task: BinaryPairs, suite: BinaryPairs, scale: float, *, level: float) -> float:
    """The same for passing."""
    split, half = likely_split(task, suite, scale), level / 2
    if task.p_noninferior(-split) > half and suite.p_noninferior(split * scale) > half:
        return 1.0
    return Tradeoff(task=task, suite=suite, scale=scale).p_noninferior(0.0)


SPLIT_GRID = 0.02
"""Likely splits are multiples of this, so that component p-values recur. Any split would be valid."""


def likely_split(task: BinaryPairs, suite: BinaryPairs, scale: float) -> float:
    """About where the two components are equally far from what was seen, in standard errors."""
    deltas, errors = [], []
    for pairs in (task, suite):
        delta = (pairs.gains - pairs.losses) / pairs.n
        churn = (pairs.gains + pairs.losses + 1) / (pairs.n + 2)
        deltas.append(delta)
        errors.append(((churn - min(delta**2, churn / 2)) / pairs.n) ** 0.5)
    delta_suite, error_suite = deltas[1] / scale, errors[1] / scale
    split = (deltas[0] * error_suite - delta_suite * errors[0]) / (errors[0] + error_suite)
    return round(split / SPLIT_GRID) * SPLIT_GRID
