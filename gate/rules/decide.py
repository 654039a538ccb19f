"""From rules to findings: every rule declares, each hypothesis is tested once, Holm runs over them, every rule judges.

How a hypothesis is tested is handed in; nothing here computes a p-value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gate.domain import Comparison, Finding, Hypothesis
from gate.rules.base import Rule, Scope
from gate.stats.multiplicity import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A rule in its place."""

    rule: Rule
    scope: Scope
    line: int | None = None
    """Line of the configuration file that a reader is sent to; nothing is judged by it."""


def decide(
    declared: Sequence[Declared], test: Callable[[Hypothesis], Comparison], *, shown: Sequence[Hypothesis] = ()
) -> tuple[tuple[Comparison, ...], tuple[Finding, ...]]:
    """Let every rule declare, test and judge.

    Args:
        declared: The rules of the run in the order in which they are reported.
        test: Tests one hypothesis; called once for each that differs.
        shown: Further hypotheses that no rule declares; they are computed for the reader and enter nothing.

    Returns:
        One comparison for each rule's hypothesis, p-values adjusted, then those that are only shown, and one finding
        for each rule, in order.
    """
    hypotheses = [one.rule.declare(one.scope) for one in declared]
    tested = {hypothesis: test(hypothesis) for several in hypotheses for hypothesis in several}
    adjusted = iter(adjust([(hypothesis, tested[hypothesis]) for several in hypotheses for hypothesis in several]))
    comparisons = [[next(adjusted) for _ in several] for several in hypotheses]
    findings = tuple(
        replace(one.rule.finding(one.scope, mine), line=one.line)
        for one, mine in zip(declared, comparisons, strict=True)
    )
    extra = [test(hypothesis) for hypothesis in shown]
    return tuple(comparison for mine in [*comparisons, extra] for comparison in mine), findings


def adjust(tested: Sequence[tuple[Hypothesis, Comparison]]) -> list[Comparison]:
    """Adjust the p-values of failure for the number of rules by Holm's method.

    Any blocking rule fails the gate, so the blocking ones share one family-wise error rate. Rules that cannot
    block form a family of their own: adding one must not weaken the others. A hypothesis that could not be tested
    counts as p = 1: leaving it out would reward breaking a suite.
    """
    result = [comparison for _, comparison in tested]
    for family in (True, False):
        members = [index for index, (hypothesis, _) in enumerate(tested) if hypothesis.blocking is family]
        adjusted = holm([result[index].p_regression for index in members])
        for index, p_value in zip(members, adjusted, strict=True):
            known = result[index].p_regression is not None
            result[index] = replace(result[index], p_regression_adjusted=p_value if known else None)
    return result
