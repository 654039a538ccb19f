"""From hypotheses to numbers: which pairs a hypothesis is about, and what is compared though no rule asks.

Knows where pairs come from; what is done with them is the statistics' affair.
"""

from collections.abc import Callable, Mapping, Sequence

from gate.assemble import Scored, property_pairs
from gate.domain import ArmName, Comparison, Hypothesis, Pair
from gate.plan import Plan
from gate.rules.decide import Declared
from gate.scorers.properties import PROPERTIES
from gate.stats.compare import Side, compare

Pairs = Mapping[tuple[str, ArmName], tuple[Pair, ...]]
"""Suite and reference arm -> the candidate against it."""


def tester(plan: Plan, scored: Scored, pairs: Pairs) -> Callable[[Hypothesis], Comparison]:
    """What tests one hypothesis of this run."""
    planned = {one.suite.name: one for one in plan.suites}

    def test(hypothesis: Hypothesis) -> Comparison:
        suite, against, task = planned[hypothesis.suite], hypothesis.against or "base", hypothesis.task_suite
        if hypothesis.measure == "shift":
            measure = next(one for one in PROPERTIES if one == hypothesis.metric)
            mine = property_pairs(suite.suite, scored, measure, against)
        else:
            mine = pairs[hypothesis.suite, against]
        gaining = None
        if task is not None:
            gaining = Side(pairs=pairs[task, against], binary=planned[task].binary, metric=planned[task].metric)
        return compare(hypothesis, mine, binary=suite.binary, seed=plan.seed, task=gaining)

    return test


def shown(plan: Plan, declared: Sequence[Declared]) -> list[Hypothesis]:
    """Whole suites that a reader wants compared with every arm, though no rule does."""
    tested = {
        (one.suite, one.against)
        for rule in declared
        for one in rule.rule.declare(rule.scope)
        if one.measure == "delta" and one.slice is None
    }
    return [
        Hypothesis(
            rule=None,
            suite=one.suite.name,
            slice=None,
            metric=one.metric,
            arm="candidate",
            against=against,
            measure="delta",
            margin=0.0,
            fail_margin=0.0,
            relative=False,
            alpha=plan.alpha,
            blocking=False,
        )
        for one in plan.suites
        if one.scorer is not None
        for against in plan.arms
        if against != "candidate" and (one.suite.name, against) not in tested
    ]
