"""From answers to findings: score, pair, test every hypothesis of the rules, let the rules judge.

The same function decides at the end of a run and at every look of one that may stop early.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gate.assemble import Scored, StripThinking, property_pairs, score_all, score_pairs
from gate.domain import ArmName, Comparison, Finding, Hypothesis, Pair, Response
from gate.plan import Plan, suite_facts
from gate.rules.decide import Declared, decide
from gate.scorers.properties import PROPERTIES
from gate.stages import Schedule, is_passed, reserved
from gate.stats.compare import compare, untested
from gate.stats.looks import Looks, allow_for_looks, is_hopeless
from gate.stats.side import Side

Pairs = Mapping[tuple[str, ArmName], tuple[Pair, ...]]
"""Suite and reference arm -> the candidate against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the answers so far say."""

    plan: Plan
    """With the cases that were asked."""
    scored: Scored
    pairs: Pairs
    comparisons: tuple[Comparison, ...]
    findings: tuple[Finding, ...]


def decide_run(
    plan: Plan,
    responses: Sequence[Response],
    *,
    strip: StripThinking,
    schedule: Schedule | None = None,
    briefly: bool = False,
) -> Decided:
    """Decide on the answers to the cases that were asked.

    Args:
        plan: The run.
        responses: Every arm's answers.
        strip: Whether a leading block of reasoning is removed before scoring.
        schedule: In which stages was asked, and how many; None: everything at once.
        briefly: For a look: no tests but those that allow for looks, and nothing that is only shown.

    Raises:
        RecordsError: If the answers are not those to the asked cases.
    """
    asked = plan if schedule is None else schedule.asked_part(plan)
    if asked is not plan:
        # An interrupted run may have answered part of the next stage already.
        known = {(one.suite.name, case.id) for one in asked.suites for case in one.suite.cases}
        responses = [one for one in responses if (one.suite, one.case) in known]
    scored = score_all(asked.suites, responses, arms=plan.arms, strip=strip)
    pairs: dict[tuple[str, ArmName], tuple[Pair, ...]] = {
        (one.suite.name, against): score_pairs(one, scored, against)
        for one in asked.suites
        if one.scorer is not None
        for against in plan.arms
        if against != "candidate"
    }
    facts = suite_facts(asked.suites, pairs)
    declared = [
        replace(one, scope=replace(one.scope, suites=facts, suite=one.scope.suite and facts[one.scope.suite.name]))
        for one in plan.declared
    ]
    test = _tester(asked, scored, pairs, briefly=briefly)
    if schedule is not None:
        stages = {one.suite.name: schedule.stages_of(one.suite) for one in plan.suites}
        test = _staged(test, pairs, stages, finished=schedule.finished)
    extra = [] if briefly else _shown(asked, declared)
    comparisons, findings = decide(declared, test, shown=extra)
    if schedule is not None and not schedule.finished:
        findings = tuple(reserved(finding) for finding in findings)
    return Decided(plan=asked, scored=scored, pairs=pairs, comparisons=comparisons, findings=findings)


def is_futile_run(plan: Plan, so_far: Decided) -> bool:
    """Whether no blocking rule is likely to fail any more; those that passed for good cannot."""
    blocking = [one for one in plan.declared if one.rule.blocking]
    rules = sum(len(one.rule.declare(one.scope)) for one in blocking)
    cases = {one.suite.name: one.suite.cases for one in plan.suites}

    def cannot_fail(one: Declared, finding: Finding) -> bool:
        hypotheses = one.rule.declare(one.scope)
        return is_passed(finding) or (
            bool(hypotheses)
            and not one.rule.must_prove  # then even the lack of proof is a failure
            and all(
                is_hopeless(
                    hypothesis,
                    so_far.pairs.get((hypothesis.suite, hypothesis.against or "base"), ()),
                    planned=cases[hypothesis.suite],
                    rules=rules,
                )
                for hypothesis in hypotheses
            )
        )

    return bool(blocking) and all(
        cannot_fail(one, finding)
        for one, finding in zip(plan.declared, so_far.findings, strict=True)
        if one.rule.blocking
    )


def _tester(plan: Plan, scored: Scored, pairs: Pairs, *, briefly: bool) -> Callable[[Hypothesis], Comparison]:
    """What tests one hypothesis of this run."""
    planned = {one.suite.name: one for one in plan.suites}

    def test(hypothesis: Hypothesis) -> Comparison:
        suite, against, task = planned[hypothesis.suite], hypothesis.against or "base", hypothesis.task_suite
        if briefly:
            mine = () if hypothesis.measure == "shift" else pairs[hypothesis.suite, against]
            return untested(hypothesis, mine, binary=suite.binary)
        if hypothesis.measure == "shift":
            measure = next(one for one in PROPERTIES if one == hypothesis.metric)
            mine = property_pairs(suite.suite, scored, measure, against=against)
        else:
            mine = pairs[hypothesis.suite, against]
        gaining = None
        if task is not None:
            gaining = Side(pairs=pairs[task, against], binary=planned[task].binary, metric=planned[task].metric)
        return compare(hypothesis, mine, binary=suite.binary, seed=plan.seed, task=gaining)

    return test


def _staged(
    test: Callable[[Hypothesis], Comparison],
    pairs: Pairs,
    stages: Mapping[str, Mapping[str, int]],
    *,
    finished: bool,
) -> Callable[[Hypothesis], Comparison]:
    """The same, with p-values that hold although the run may have stopped early."""

    def staged(hypothesis: Hypothesis) -> Comparison:
        mine = pairs.get((hypothesis.suite, hypothesis.against or "base"), ())
        looks = Looks(stage_of=stages[hypothesis.suite], finished=finished)
        return allow_for_looks(test(hypothesis), hypothesis, mine, looks=looks)

    return staged


def _shown(plan: Plan, declared: Sequence[Declared]) -> list[Hypothesis]:
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
