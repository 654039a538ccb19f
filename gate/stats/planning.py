"""How many cases a rule needs, and what a given number of cases can show; computed before anything is run.

`churn` is the share of cases on which two equally good arms differ, half of them gains and half losses; a true drop
adds losses on top of it. All numbers are for right-or-wrong scores and for the margin test at delta = -margin.
This module knows counts and rates and nothing about cases or rules.

References:
    Connor, R. J. (1987). Sample size for testing differences in proportions for the paired-sample design.
    Biometrics 43, 207-211. (Margin 0.)
    Nam, J. (1997). Establishing equivalence of two treatments and sample size requirements in matched-pairs
    design. Biometrics 53, 1422-1430. (With a margin; the null variance is Tango's.)
"""

import math
from dataclasses import dataclass
from typing import Self

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from gate.stats.binary import p_noninferior
from gate.stats.tango import loss_rate

DEFAULT_POWER = 0.8
"""Probability with which a plan is meant to decide."""

_TIE_SLACK = 1e-9


def cases_to_pass_unchanged(margin: float, alpha: float) -> int | None:
    """Smallest number of cases with which a candidate without a single flip passes.

    Args:
        margin: Tolerated drop as a fraction.
        alpha: One-sided error rate.

    Returns:
        The n at which no flip at all passes and one case less would not; None where no number suffices
        (margin <= 0). At alpha = 0.05 it is ln(alpha) / ln(1 - margin), rounded up. A smaller alpha can need more,
        because the exact test then reaches its largest p-value at another rate of flips; there the p-value is not
        strictly monotone in n, and a slightly smaller n may pass as well.
    """
    if margin <= 0:
        return None
    if margin >= 1:
        return 1

    def passes(n: int) -> bool:
        return p_noninferior(0, 0, n, margin=margin) <= alpha

    failing = max(1, math.ceil(math.log(alpha) / math.log1p(-margin) - _TIE_SLACK))
    if passes(failing):
        return failing
    # The other rate needs z(alpha)**2 * (1 - margin) / margin cases, which is less than twice as many.
    passing = 2 * failing
    while passing - failing > 1:
        middle = (failing + passing) // 2
        failing, passing = (failing, middle) if passes(middle) else (middle, passing)
    return passing


def cases_for_power(
    *, churn: float, margin: float, alpha: float, drop: float = 0.0, power: float = DEFAULT_POWER
) -> int | None:
    """Number of cases with which the margin test decides rightly with the given probability.

    With `drop` smaller than `margin` the right decision is to pass, with a larger one to fail.

    Args:
        churn: Share of cases that flip without any change for the worse, in [0, 1].
        margin: Tolerated drop as a fraction; negative where a gain is demanded.
        alpha: One-sided error rate.
        drop: True drop; negative for a gain.
        power: Wanted probability.

    Returns:
        The number of cases, rounded up; None where no number suffices (`drop` equals `margin`).

    Raises:
        ValueError: If churn and drop together exceed all cases.
    """
    plan = _Plan.of(churn=churn, drop=drop, margin=margin)
    if abs(plan.distance) < _TIE_SLACK:
        return None
    spread = -float(ndtri(alpha)) * plan.null_sd + float(ndtri(power)) * plan.true_sd
    cases = max(1, math.ceil(max(0.0, spread) ** 2 / plan.distance**2 - _TIE_SLACK))
    floor = cases_to_pass_unchanged(margin, alpha) if drop == 0 else None
    return cases if floor is None else max(cases, floor)


def chance_to_decide(n: int, *, churn: float, margin: float, alpha: float, drop: float = 0.0) -> float:
    """Probability that the margin test decides rightly with n cases; the inverse of `cases_for_power`.

    Args:
        n: Number of cases.
        churn: Share of cases that flip without any change for the worse, in [0, 1].
        margin: Tolerated drop as a fraction; negative where a gain is demanded.
        alpha: One-sided error rate.
        drop: True drop; 0 asks for the chance that an unchanged candidate passes.

    Returns:
        The probability, from the normal approximation; 0 where `drop` equals `margin`.

    Raises:
        ValueError: If churn and drop together exceed all cases.
    """
    plan = _Plan.of(churn=churn, drop=drop, margin=margin)
    if abs(plan.distance) < _TIE_SLACK:
        return 0.0
    excess = math.sqrt(n) * abs(plan.distance) + float(ndtri(alpha)) * plan.null_sd
    if plan.true_sd == 0:
        floor = cases_to_pass_unchanged(margin, alpha) if drop == 0 else None
        return float(excess >= 0 and (floor is None or n >= floor))
    return float(ndtr(excess / plan.true_sd))


def smallest_detectable_drop(
    n: int, psi: float, *, margin: float, alpha: float, power: float = DEFAULT_POWER
) -> float | None:
    """Smallest true drop that the margin test proves to exceed `margin` with the given probability.

    Args:
        n: Number of cases.
        psi: Share of cases that flip anyway, half of them gains; the drop adds losses on top.
        margin: Drop that a failure must exceed; negative where a gain is demanded.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        The drop as a fraction; negative where even a gain of that size would be proven too small. None where no
        possible drop would be proven.
    """
    largest = 1 - psi
    # The most extreme table of all is n losses; its p-value is ((1 + margin) / 2)**n.
    if margin >= largest or n * math.log((1 + max(margin, -1.0)) / 2 + _TIE_SLACK) > math.log(alpha):
        return None

    def excess(drop: float) -> float:
        plan = _Plan.of(churn=psi, drop=drop, margin=margin)
        spread = -float(ndtri(alpha)) * plan.null_sd + float(ndtri(power)) * plan.true_sd
        return math.sqrt(n) * (drop - margin) - spread

    smallest = max(margin, -largest)
    if excess(largest) < 0:
        return None
    return float(brentq(excess, smallest, largest)) if excess(smallest) < 0 else smallest


def detectable_drop_from_error(
    standard_error: float, *, margin: float, alpha: float, power: float = DEFAULT_POWER
) -> float | None:
    """Smallest drop that a test with a known standard error proves to exceed `margin`.

    Args:
        standard_error: Of the mean difference; 0 when nothing varied.
        margin: Drop that a failure must exceed; negative where a gain is demanded.
        alpha: One-sided error rate.
        power: Wanted probability.

    Returns:
        The drop as a fraction; None when nothing varied or the drop would exceed the whole score.
    """
    if standard_error <= 0:
        return None
    drop = margin + (-float(ndtri(alpha)) + float(ndtri(power))) * standard_error
    return drop if drop <= 1 else None


def level_of_each_end(alpha: float, width: float) -> float:
    """One-sided level at the nearer end of a band that leaves `alpha` for both ends together.

    Args:
        alpha: Error rate of the two ends together.
        width: Distance between the ends in standard errors; at 0 each end gets half, far apart each gets all.
    """
    return float(brentq(lambda level: level + float(ndtr(ndtri(level) - width)) - alpha, alpha * 0.499, alpha))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One assumed truth, and the spread of a single pair under it."""

    distance: float
    """True difference less the one under test."""
    null_sd: float
    true_sd: float

    @classmethod
    def of(cls, *, churn: float, drop: float, margin: float) -> Self:
        """Work out both standard deviations from the rates of gains and losses."""
        gain, loss = churn / 2 + max(0.0, -drop), churn / 2 + max(0.0, drop)
        if churn < 0 or gain + loss > 1 + _TIE_SLACK:
            raise ValueError(f"Churn {churn} and a drop of {drop} do not fit into the share of all cases.")
        delta0 = -margin
        null_variance = 2 * float(loss_rate(gain, loss, 1, delta0=delta0)) + delta0 * (1 - delta0)
        true_variance = gain + loss - (gain - loss) ** 2
        return cls(
            distance=margin - drop,
            null_sd=math.sqrt(max(0.0, null_variance)),
            true_sd=math.sqrt(max(0.0, true_variance)),
        )
