"""Why a comparison decides nothing yet, and what it would take: the sentences that rules share.

Plans are made from what was seen: they say how much more evidence is needed, never what it will show.
"""

import math

from scipy.special import ndtri

from gate import wording
from gate.domain import Comparison, Reason
from gate.stats.clustered import MIN_CLUSTERS
from gate.stats.planning import DEFAULT_POWER, cases_for_power

_MOST_CASES = 1_000_000
"""A plan for more cases than this is no plan."""


def seen(comparison: Comparison) -> str:
    """What was seen, in words: the change, the flips and the cases."""
    units = wording.count(comparison.n, "case")
    if comparison.clusters is not None:
        units += f" in {wording.count(comparison.clusters, 'cluster')}"
    return f"{loss(comparison)} on {units}"


def loss(comparison: Comparison) -> str:
    """The change seen and the flips behind it, in words."""
    delta = wording.points(comparison.delta or 0.0)
    if comparison.regressed is None or comparison.fixed is None:
        return delta
    return f"{delta} ({comparison.regressed} broke, {comparison.fixed} fixed)"


def relative_change(comparison: Comparison) -> float:
    """The delta relative to the reference arm's mean; the plain delta where that mean is 0 or unknown."""
    delta, reference = comparison.delta or 0.0, comparison.against_estimate
    return delta / reference if reference else delta


def why_undecided(comparison: Comparison, alpha: float) -> Reason:
    """Name the reason why a comparison proves neither side, the most useful one first."""
    if comparison.clusters is not None and comparison.clusters < MIN_CLUSTERS:
        return "too_few_clusters"
    if comparison.decided_by_missing or comparison.dropped > comparison.n:
        return "missing_cases"
    if comparison.p_no_change is not None and comparison.p_no_change <= alpha:
        return "drop_significant_size_unproven"
    return "straddles_margin" if cases_if_unchanged(comparison, alpha) is None else "underpowered"


def cases_if_unchanged(comparison: Comparison, alpha: float) -> int | None:
    """Cases at which an unchanged model with the same share of flips would pass with 80 % chance.

    None where no number of cases would do (a margin of zero), flips are not what is counted, or there are as many.
    """
    margin = comparison.margin * ((comparison.against_estimate or 0.0) if comparison.relative else 1.0)
    # How many more clusters it takes depends on how alike their cases are, which flips alone do not tell.
    if comparison.clusters is not None:
        return None
    if margin <= 0 or comparison.regressed is None or comparison.fixed is None or comparison.n == 0:
        return None
    churn = (comparison.regressed + comparison.fixed) / comparison.n
    needed = cases_for_power(churn=churn, margin=margin, alpha=alpha)
    return needed if needed is not None and needed > comparison.n else None


def cases_if_as_seen(comparison: Comparison, alpha: float) -> int | None:
    """Cases at which the test would decide with 80 % chance if the truth is what was seen.

    From the width of the interval: with the standard error se at n cases and the distance d between what was seen
    and the limit, n * ((z(1 - alpha) + z(0.8)) * se / d)**2.

    None where what was seen is at the limit, or nothing varied.
    """
    low, high, delta = comparison.low, comparison.high, comparison.delta
    if low is None or high is None or delta is None:
        return None
    margin = 0.0  # for a score and for flips, delta is already the distance from the limit
    if comparison.measure in ("delta", "tradeoff"):
        margin = comparison.margin * ((comparison.against_estimate or 1.0) if comparison.relative else 1.0)
    distance = abs(delta + margin)
    z = -float(ndtri(alpha))
    error = (high - low) / (2 * z)
    if distance < 1e-9 or error <= 0:
        return None
    cases = math.ceil(comparison.n * ((z + float(ndtri(DEFAULT_POWER))) * error / distance) ** 2)
    return cases if comparison.n < cases <= _MOST_CASES else None


def outlook(comparison: Comparison, reason: Reason, needed: int | None, *, condition: str) -> str:
    """One sentence: what was seen, and what it would take to decide.

    Args:
        comparison: What was tested.
        reason: Why it decided nothing.
        needed: Cases that would decide; None when no number can be named.
        condition: When they would, for example `if nothing changed and as many answers flip`.
    """
    what = seen(comparison)
    match reason:
        case "too_few_clusters":
            return f"{what}; fewer than {MIN_CLUSTERS} clusters prove nothing."
        case "missing_cases":
            return f"{what}; the {wording.count(comparison.dropped, 'case')} without a score could turn the verdict."
        case "drop_significant_size_unproven":
            return f"{what}; that there is a drop is proven, that it is over the limit is not."
        case _ if needed is not None:
            units = "cases" if comparison.clusters is None else "cases, in as many times the clusters,"
            return f"{what}; about {needed:,} {units} would decide {condition}."
        case _:
            return f"{what}."
