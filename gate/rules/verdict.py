"""The verdict: what the findings mean together, the exit code, and the one sentence that everybody reads."""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

from gate import errors, wording
from gate.domain import Comparison, Finding, Role, Verdict, VerdictOutcome

FailOn = Literal["regression", "inconclusive", "never"]
"""Which verdicts close the gate."""

_NAMED_AT_MOST = 4


def combine(findings: Sequence[Finding], roles: Mapping[str, Role]) -> VerdictOutcome:
    """Combine blocking findings: any error, then any failure, then all passed, else inconclusive.

    A run in which no rule guards a regression suite is never a pass: nothing was checked for regressions.
    """
    blocking = [finding for finding in findings if finding.blocking]
    outcomes = {finding.outcome for finding in blocking}
    if "error" in outcomes:
        return "error"
    if "fail" in outcomes:
        return "fail"
    unproven = any(finding.outcome == "warn" and not finding.final for finding in blocking)
    if "inconclusive" in outcomes or unproven or not protected(blocking, roles):
        return "inconclusive"
    return "pass"


def protected(findings: Sequence[Finding], roles: Mapping[str, Role]) -> list[str]:
    """The regression suites that a blocking rule guards as a whole; only a rule protects, not the role."""
    guarded = {finding.suite for finding in findings if finding.guards}
    return [name for name, role in roles.items() if role == "regression" and name in guarded]


def exit_code(outcome: VerdictOutcome, fail_on: FailOn) -> int:
    """The process exit code of a verdict. A broken rule is never an open gate, whatever `fail_on` says."""
    match outcome:
        case "pass":
            return errors.EXIT_OPEN
        case "fail":
            return errors.EXIT_OPEN if fail_on == "never" else errors.EXIT_FAILED
        case "inconclusive":
            return errors.EXIT_INCONCLUSIVE if fail_on == "inconclusive" else errors.EXIT_OPEN
        case "error":
            return errors.EXIT_BROKEN
        case _:
            assert_never(outcome)


def conclude(
    findings: Sequence[Finding], comparisons: Sequence[Comparison], *, roles: Mapping[str, Role], fail_on: FailOn
) -> Verdict:
    """Reach the verdict.

    Args:
        findings: One for each rule.
        comparisons: The tested hypotheses, for the figures of the headline.
        roles: Suite -> role, for every suite of the run.
        fail_on: Which verdicts close the gate.
    """
    outcome = combine(findings, roles)
    headline = _headline(outcome, findings, comparisons, roles=roles)
    return Verdict(outcome=outcome, exit_code=exit_code(outcome, fail_on), headline=headline)


def _headline(
    outcome: VerdictOutcome,
    findings: Sequence[Finding],
    comparisons: Sequence[Comparison],
    *,
    roles: Mapping[str, Role],
) -> str:
    blocking = [finding for finding in findings if finding.blocking]
    task = _task_sentence(blocking, comparisons, roles)
    guarded = protected(blocking, roles)
    match outcome:
        case "pass":
            return (
                f"Yes, open: {task}{' ' if task else ''}Drops beyond the limits are ruled out in "
                f"{'the one protected suite' if len(guarded) == 1 else f'all {len(guarded)} protected suites'}."
            )
        case "fail":
            return f"No, blocked: {_failures(blocking, comparisons, guarded)} {task}".rstrip()
        case "inconclusive":
            return f"Cannot tell: {_open_questions(blocking, guarded)} {task}".rstrip()
        case "error":
            errors_of = [finding for finding in blocking if finding.outcome == "error"]
            broken = sorted({finding.suite for finding in errors_of if finding.suite} or {_subject(errors_of[0])})
            return f"Cannot tell: no score could be had for {wording.listing(broken)}; this is an error, not a verdict."
        case _:
            assert_never(outcome)


def _task_sentence(findings: Sequence[Finding], comparisons: Sequence[Comparison], roles: Mapping[str, Role]) -> str:
    words = {"pass": "proven", "warn": "proven, marginal", "fail": "not reached", "inconclusive": "not proven"}
    parts = []
    for name in (name for name, role in roles.items() if role == "task"):
        gains = [finding for finding in findings if finding.suite == name and finding.rule == "min_gain"]
        delta = _delta(name, comparisons)
        if delta is not None:
            parts.append(f"{name} {wording.points(delta)}" + (f" ({words[gains[0].outcome]})" if gains else ""))
    return f"Task: {wording.listing(parts)}." if parts else ""


def _failures(findings: Sequence[Finding], comparisons: Sequence[Comparison], protected: Sequence[str]) -> str:
    failed = [finding for finding in findings if finding.outcome == "fail"]
    lost = [name for name in protected if any(f.suite == name and f.guards and _is_loss(f) for f in failed)]
    if lost:
        by_loss = sorted(lost, key=lambda name: _delta(name, comparisons) or 0.0)
        figures = [f"{name} {wording.points(_delta(name, comparisons) or 0.0)}" for name in by_loss[:_NAMED_AT_MOST]]
        more = [f"{len(lost) - _NAMED_AT_MOST} more"] if len(lost) > _NAMED_AT_MOST else []
        suites = wording.count(len(protected), "protected suite")
        return f"{len(lost)} of {suites} got worse beyond the limit: {wording.listing(figures + more)}."
    return " ".join(f"{finding.suite or finding.rule}: {finding.message}" for finding in failed[:2])


def _is_loss(finding: Finding) -> bool:
    """Whether a failure is a loss: proven, or observed; not merely the lack of proof that was demanded."""
    return finding.final or finding.p_value is None


def _open_questions(findings: Sequence[Finding], protected: Sequence[str]) -> str:
    if not protected:
        return "nothing was checked for regressions; add a suite with `role: regression` and a rule that guards it."
    undecided = sorted(
        {
            _subject(finding)
            for finding in findings
            if finding.outcome == "inconclusive" or (finding.outcome == "warn" and not finding.final)
        }
    )
    if not undecided:
        return "no blocking rule was declared."
    more = [f"{len(undecided) - _NAMED_AT_MOST} more"] if len(undecided) > _NAMED_AT_MOST else []
    return f"nothing failed, but {wording.listing(undecided[:_NAMED_AT_MOST] + more)} could not be decided."


def _subject(finding: Finding) -> str:
    """What a finding is about: a suite, or for a rule over the whole run the rule itself."""
    return finding.rule if finding.suite is None or finding.rule == "tradeoff" else finding.suite


def _delta(suite: str, comparisons: Sequence[Comparison]) -> float | None:
    for comparison in comparisons:
        place = (comparison.suite, comparison.slice, comparison.measure, comparison.against)
        if place == (suite, None, "delta", "base"):
            return comparison.delta
    return None
