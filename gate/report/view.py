"""What the reports show: a round as rows of text. All rounding and wording of a report happens here, once.

Names and messages come out as they went in: untrusted. A renderer escapes them for its medium. This module knows
no markup, no width and no rule by its parameters; numbers read as `gate.wording` writes them, and an unknown one
is a dash.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gate import wording
from gate.domain import ArmName, Comparison, Distribution, Finding, Outcome, Reason, Role, Round, SuiteSummary
from gate.report import lookup

DASH = "—"
"""Stands for every value that is not known."""

_REASONS: Mapping[Reason, str] = {
    "straddles_margin": "too close to call",
    "underpowered": "too few cases",
    "drop_significant_size_unproven": "a drop is proven, its size is not",
    "too_few_clusters": "too few independent clusters",
    "missing_cases": "missing cases could decide",
    "degenerate": "nothing to compare",
    "marginal_gain": "marginal gain",
    "no_gain_shown": "no gain shown",
    "stopped_early": "not tested, the run stopped early",
    "prompt_is_enough": "a prompt does nearly as well",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRow:
    """One line of the table that everybody reads."""

    suite: str
    role: Role
    cases: str
    base: str
    others: tuple[str, ...]
    """Of the other arms that the candidate is compared with, in the order of `other_arms`."""
    candidate: str
    change: str
    interval: str
    """With brackets; empty when there is none."""
    notable: bool
    """The interval excludes zero."""
    flips: str
    """Broke / fixed; empty where nothing can break."""
    outcome: Outcome | None
    """Of the suite's worst finding; None: not judged."""
    limit: str
    """What it was held against, and why nothing could be decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """What one rule said."""

    rule: str
    where: str
    limit: str
    seen: str
    p_value: str
    """`observed` for rules that prove nothing."""
    outcome: Outcome
    blocking: bool
    message: str
    run_wide: bool
    """No row of the suite table speaks of it."""


def suite_rows(round_: Round) -> tuple[SuiteRow, ...]:
    """One row for every suite, in the order of the round."""
    shared = shared_level(round_)
    return tuple(_suite_row(round_, name, shared_level=shared) for name in round_.suites)


def shared_level(round_: Round) -> float | None:
    """Find the level that all intervals of the suite table share; None when they differ or there are none."""
    parts = (lookup.whole_suite(round_, name) or lookup.shift(round_, name) for name in round_.suites)
    levels = {part.level for part in parts if part is not None}
    return levels.pop() if len(levels) == 1 else None


def other_arms(round_: Round) -> tuple[ArmName, ...]:
    """Arms besides base and candidate, in the order of the round."""
    return tuple(name for name in round_.arms if name not in ("base", "candidate"))


def change_heading(round_: Round) -> str:
    """Heading of the column with changes and intervals."""
    level = shared_level(round_)
    return "change" if level is None else f"change [{level_text(level)}]"


def rule_rows(round_: Round) -> tuple[RuleRow, ...]:
    """One row for every finding, the worst first."""
    return tuple(_rule_row(round_, finding) for finding in lookup.worst_first(round_))


def notes(round_: Round) -> tuple[tuple[str, str], ...]:
    """Tell what happened to answers that the figures alone do not tell: pairs of suite and sentence."""
    return tuple((name, "; ".join(parts)) for name in round_.suites if (parts := _suite_notes(round_, name)))


def score(value: float | None) -> str:
    """Write the score of one answer: `1`, `0`, `0.33`."""
    return "no score" if value is None else f"{value:.3g}"


def level_text(level: float) -> str:
    """Write the level of an interval: `90 %`."""
    return f"{round(100 * level, 4):g} %"


def _suite_row(round_: Round, name: str, *, shared_level: float | None) -> SuiteRow:
    summary, worst = round_.suites[name], lookup.worst(round_, name)
    whole, shift = lookup.whole_suite(round_, name), lookup.shift(round_, name)
    cases, base, candidate, change, low, high = str(summary.n), DASH, DASH, DASH, None, None
    others = tuple(_other(round_, name, arm) for arm in other_arms(round_))
    digits, level = 1, None
    if whole is not None:
        cases, low, high, level = f"{whole.n}", whole.low, whole.high, whole.level
        base, candidate = _percent(whole.against_estimate), _percent(whole.estimate)
        change = DASH if whole.delta is None else wording.points(whole.delta)
    elif shift is not None:
        cases, low, high, level, digits = f"{shift.n}", shift.low, shift.high, shift.level, 0
        base, candidate = (_length(shift, value) for value in (shift.against_estimate, shift.estimate))
        change = DASH if shift.change is None else wording.relative(shift.change)
    own_level = f" at {level_text(level)}" if level is not None and level != shared_level else ""
    interval = _interval(low, high, digits)
    return SuiteRow(
        suite=name,
        role=summary.role,
        cases=cases,
        base=base,
        others=others,
        candidate=candidate,
        change=change,
        interval=f"{interval}{own_level}" if interval else "",
        notable=(low is not None and low > 0) or (high is not None and high < 0),
        flips=_flips(whole),
        outcome=worst.outcome if worst else None,
        limit=_limit(worst) if worst else "shown, not judged",
    )


def _rule_row(round_: Round, finding: Finding) -> RuleRow:
    tested = lookup.tested(round_, finding)
    where = finding.suite if finding.suite is not None else "whole run"
    if tested is not None and tested.task_suite is not None:
        where = f"{tested.task_suite} vs {where}"
    if finding.slice is not None:
        where = f"{where}, slice {finding.slice}"
    if finding.against not in (None, "base"):
        where = f"{where}, against {finding.against}"
    unproven = DASH if finding.outcome == "error" else "observed"
    return RuleRow(
        rule=finding.rule,
        where=where,
        limit=finding.limit_text,
        seen=_seen(finding),
        p_value=unproven if finding.p_value is None else wording.p_value(finding.p_value),
        outcome=finding.outcome,
        blocking=finding.blocking,
        message=finding.message,
        run_wide=finding.suite not in round_.suites,
    )


def _other(round_: Round, suite: str, arm: ArmName) -> str:
    """Score, or length of the answers, of an arm besides base and candidate."""
    if (whole := lookup.whole_suite(round_, suite, arm)) is not None:
        return _percent(whole.against_estimate)
    shift = lookup.shift(round_, suite, arm)
    return DASH if shift is None else _length(shift, shift.against_estimate)


def _limit(finding: Finding) -> str:
    where = "" if finding.slice is None else f" (slice {finding.slice})"
    where += "" if finding.against in (None, "base") else f" (against {finding.against})"
    why = "" if finding.reason is None else f": {_REASONS[finding.reason]}"
    free = "" if finding.blocking else " (not blocking)"
    return f"{finding.limit_text}{where}{why}{free}"


def _seen(finding: Finding) -> str:
    if finding.observed is None:
        return DASH
    match finding.unit:
        case "count":
            return f"{finding.observed:,.0f}"
        case "share":
            return wording.percent(finding.observed)
        case "ratio":
            return wording.relative(finding.observed)
        case "points":
            return wording.points(finding.observed)


def _flips(whole: Comparison | None) -> str:
    if whole is None or whole.regressed is None or whole.fixed is None:
        return ""
    return f"{whole.regressed} / {whole.fixed}"


def _suite_notes(round_: Round, name: str) -> list[str]:
    summary, whole = round_.suites[name], lookup.whole_suite(round_, name)
    parts = [*_counts(summary)]
    if whole is not None and whole.dropped:
        parts.append(f"{wording.count(whole.dropped, 'case')} left out of the comparison")
    if whole is not None and whole.clusters is not None:
        parts.append(f"cases form {wording.count(whole.clusters, 'cluster')}")
    return parts


def _counts(summary: SuiteSummary) -> Iterable[str]:
    kinds = (
        ("no answer or no score", summary.errors),
        ("not among the allowed answers", summary.invalid),
        ("cut by the token limit", summary.truncated),
    )
    for what, counts in kinds:
        if numbers := [f"{arm} {number:,}" for arm, number in counts.items() if number]:
            yield f"{what}: {', '.join(numbers)}"


def _percent(value: float | None) -> str:
    return DASH if value is None else wording.percent(value)


def _length(shift: Distribution, value: float | None) -> str:
    if value is None:
        return DASH
    return wording.count(round(value), shift.unit.removesuffix("s"))


def _interval(low: float | None, high: float | None, digits: int) -> str:
    if low is None and high is None:
        return ""
    ends = [DASH if end is None else wording.signed(100 * end, digits) for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"
