"""What a round says of one suite and what one finding rests on: looked up, neither computed nor put into words."""

from collections.abc import Mapping

from gate.domain import ArmName, Comparison, Distribution, Finding, Outcome, Round

_SEVERITY: Mapping[Outcome, int] = {"error": 0, "fail": 1, "inconclusive": 2, "warn": 3, "pass": 4}


def whole_suite(round_: Round, suite: str, against: ArmName = "base") -> Comparison | None:
    """Find the comparison that speaks of all cases of a suite, candidate against another arm."""
    for one in round_.comparisons:
        paired = one.suite == suite and one.slice is None and one.against == against and one.measure == "delta"
        if paired and one.estimate is not None and one.against_estimate is not None:
            return one
    return None


def shift(round_: Round, suite: str, against: ArmName = "base") -> Distribution | None:
    """Find how the answers of a suite moved, candidate against another arm."""
    return next((one for one in round_.distributions if (one.suite, one.against) == (suite, against)), None)


def tested(round_: Round, finding: Finding) -> Comparison | None:
    """Find the comparison that a finding rests on; of several the one whose delta it names."""
    place = (finding.rule, finding.suite, finding.slice)
    mine = [
        one
        for one in round_.comparisons
        if (one.rule, one.suite, one.slice) == place and one.against in (finding.against, None)
    ]
    return next((one for one in mine if one.delta == finding.observed), mine[0] if mine else None)


def worst(round_: Round, suite: str) -> Finding | None:
    """Find what weighs most of all that is said of a suite."""
    mine = [finding for finding in round_.findings if finding.suite == suite]
    return min(mine, key=lambda finding: (severity(finding), not finding.blocking), default=None)


def worst_first(round_: Round) -> list[Finding]:
    """All findings in the order in which a reader must know them."""
    return sorted(round_.findings, key=severity)


def severity(finding: Finding | None) -> int:
    """Place in that order, the worst least; a suite without a finding comes last."""
    return len(_SEVERITY) if finding is None else _SEVERITY[finding.outcome]
