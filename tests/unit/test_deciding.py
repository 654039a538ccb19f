"""Deciding on a run's answers: what enters the tests, what is only shown, and which cases were asked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from builders import a_case, a_response

from gate.deciding import Decided, decide_run, is_futile_run
from gate.domain import ArmName, Comparison, Response, Role, Suite
from gate.errors import RecordsError
from gate.plan import Plan, PlannedSuite, suite_facts
from gate.rules import Amount, Critical, MaxDrop, MaxShift, MinGain, MinScore, Retention, Rule, Tradeoff
from gate.rules.base import Scope
from gate.rules.decide import Declared
from gate.scorers import ExactMatch
from gate.stages import Schedule

TWO: tuple[ArmName, ...] = ("base", "candidate")
FOUR: tuple[ArmName, ...] = ("base", "incumbent", "prompted", "candidate")


def a_suite(name: str, role: Role, n: int, **fields: Any) -> PlannedSuite:
    references = () if role == "distribution" else ("Oslo",)
    cases = tuple(a_case(id=f"{name}-{index:03}", references=references, **fields) for index in range(n))
    suite = Suite(name=name, role=role, cases=cases, digest="00")
    return PlannedSuite(suite=suite, scorer=None if role == "distribution" else ExactMatch(), metric="mean")


def a_plan(suites: Sequence[PlannedSuite], *rules: tuple[str | None, Rule], arms: Sequence[ArmName] = TWO) -> Plan:
    """Rules beside the name of the suite that they stand under; None: the whole run."""
    facts = suite_facts(suites, {})
    declared = tuple(
        Declared(
            rule=rule, scope=Scope(suite=facts[name] if name else None, suites=facts, arms=frozenset(arms), alpha=0.05)
        )
        for name, rule in rules
    )
    return Plan(
        arms=tuple(arms), suites=tuple(suites), declared=declared, notes=(), alpha=0.05, seed=3, fail_on="regression"
    )


def answers(plan: Plan, wrong: dict[tuple[str, ArmName], int], **fields: Any) -> list[Response]:
    """Every arm's answers; the first so many of a suite are wrong."""
    return [
        a_response(
            suite=one.suite.name, case=case.id, arm=arm,
            text="Rome" if index < wrong.get((one.suite.name, arm), 0) else "Oslo", **fields,
        )
        for one in plan.suites
        for arm in plan.arms
        for index, case in enumerate(one.suite.cases)
    ]  # fmt: skip


def declared_part(decided: Decided) -> list[Comparison]:
    return [one for one in decided.comparisons if one.rule is not None]


SUITES = (a_suite("facts", "regression", 120), a_suite("routing", "task", 100))
RULES: tuple[tuple[str | None, Rule], ...] = (
    ("facts", MaxDrop()),
    ("facts", MinScore(score="90%")),
    ("routing", MinGain()),
    (None, Tradeoff()),
    ("routing", MaxDrop(blocking=False)),
)
WRONG: dict[tuple[str, ArmName], int] = {
    ("facts", "candidate"): 15,
    ("routing", "base"): 8,
    ("routing", "incumbent"): 50,
}


def test_decide_run__one_finding_for_each_rule_in_order() -> None:
    plan = a_plan(SUITES, *RULES)
    decided = decide_run(plan, answers(plan, WRONG), strip=False)
    assert [one.rule for one in decided.findings] == ["max_drop", "min_score", "min_gain", "tradeoff", "max_drop"]
    assert decided.plan is plan
    assert decided.comparisons[0].delta == pytest.approx(-15 / 120)


def test_decide_run__a_finding_knows_the_line_of_its_rule() -> None:
    plan = a_plan([a_suite("facts", "regression", 40)], ("facts", MaxDrop()), (None, Critical()))
    first, second = plan.declared
    plan = replace(plan, declared=(replace(first, line=7), second))
    findings = decide_run(plan, answers(plan, {}), strip=False).findings
    assert [finding.line for finding in findings] == [7, None]


def test_decide_run__another_arm_is_shown_but_changes_no_p_value() -> None:
    few, many = a_plan(SUITES, *RULES), a_plan(SUITES, *RULES, arms=FOUR)
    small, large = (
        decide_run(few, answers(few, WRONG), strip=False),
        decide_run(many, answers(many, WRONG), strip=False),
    )
    assert declared_part(small) == declared_part(large)
    assert small.findings == large.findings
    shown = [one for one in large.comparisons if one.rule is None]
    assert [(one.suite, one.against) for one in shown] == [
        ("facts", "incumbent"), ("facts", "prompted"), ("routing", "incumbent"), ("routing", "prompted"),
    ]  # fmt: skip
    assert all(one.p_regression_adjusted is None for one in shown)
    assert shown[2].delta == pytest.approx(0.5)


def test_decide_run__holm_runs_over_the_blocking_hypotheses() -> None:
    plan = a_plan(SUITES, *RULES)
    drop, score, gain, tradeoff, advisory = declared_part(decide_run(plan, answers(plan, WRONG), strip=False))
    blocking = sorted((drop, score, gain, tradeoff), key=lambda one: one.p_regression or 0.0)
    largest = 0.0
    for place, one in enumerate(blocking):
        assert one.p_regression is not None
        largest = max(largest, min(1.0, (4 - place) * one.p_regression))
        assert one.p_regression_adjusted == pytest.approx(largest)
    assert advisory.p_regression_adjusted == advisory.p_regression


def test_decide_run__whole_suites_without_a_rule_are_shown() -> None:
    plan = a_plan(SUITES, ("facts", MinScore(score="50%")), ("routing", MaxDrop(slice="de")))
    shown = [one for one in decide_run(plan, answers(plan, WRONG), strip=False).comparisons if one.rule is None]
    assert [(one.suite, one.against, one.slice) for one in shown] == [
        ("facts", "base", None),
        ("routing", "base", None),
    ]


def test_decide_run__a_rule_against_the_incumbent_looks_at_its_answers() -> None:
    plan = a_plan(SUITES, ("facts", MaxDrop()), ("facts", MaxDrop(against="incumbent")), arms=FOUR)
    wrong: dict[tuple[str, ArmName], int] = {("facts", "base"): 60, ("facts", "candidate"): 60}
    base, incumbent = decide_run(plan, answers(plan, wrong), strip=False).findings
    assert (base.outcome, incumbent.outcome) == ("pass", "fail")
    assert (base.observed, incumbent.observed) == (0.0, -0.5)


def test_decide_run__unlabelled_inputs_are_judged_by_their_properties() -> None:
    production = a_suite("production", "distribution", 60)
    plan = a_plan([production], ("production", MaxShift(measure="length", shift=Amount(0.25, "%"))))
    told = [a_response(suite="production", case=case.id, arm=arm, text="x", tokens=(20 if arm == "base" else 9) + index % 7)
            for arm in TWO for index, case in enumerate(production.suite.cases)]  # fmt: skip
    decided = decide_run(plan, told, strip=False)
    (finding,) = decided.findings
    assert (finding.outcome, finding.unit) == ("fail", "ratio")
    assert [one.measure for one in decided.comparisons] == ["shift"]
    assert decided.pairs == {}


def test_decide_run__answers_to_other_cases_are_refused() -> None:
    plan = a_plan(SUITES, *RULES)
    with pytest.raises(RecordsError, match="the arm 'candidate' are not those of the suite 'routing': 1 case missing"):
        decide_run(plan, answers(plan, WRONG)[:-1], strip=False)


# in stages

HALF = Schedule(seed=3, stages=4, asked=2)


def test_decide_run__a_schedule_restricts_the_cases() -> None:
    plan = a_plan(SUITES, *RULES)
    decided = decide_run(plan, answers(plan, WRONG), strip=False, schedule=HALF)
    asked = {one.suite.name: {case.id for case in one.suite.cases} for one in decided.plan.suites}
    assert {name: len(ids) for name, ids in asked.items()} == {"facts": 60, "routing": 50}
    for one in plan.suites:
        stage_of = HALF.stages_of(one.suite)
        assert asked[one.suite.name] == {case for case, stage in stage_of.items() if stage < 2}
        assert {pair.case for pair in decided.pairs[one.suite.name, "base"]} == asked[one.suite.name]
    assert {(key[0], key[1]) for key in decided.scored.answers} == {
        (name, case) for name, ids in asked.items() for case in ids
    }
    assert [one.n for one in decided.comparisons if one.measure == "delta"] == [60, 50, 50]


def test_decide_run__answers_to_later_stages_make_no_difference() -> None:
    plan = a_plan(SUITES, *RULES)
    told = answers(plan, WRONG)
    asked = {case for one in plan.suites for case, stage in HALF.stages_of(one.suite).items() if stage < 2}
    part = [one for one in told if one.case in asked]
    all_known, half_known = (decide_run(plan, known, strip=False, schedule=HALF) for known in (told, part))
    assert (all_known.comparisons, all_known.findings) == (half_known.comparisons, half_known.findings)


def test_decide_run__unfinished_rules_that_need_every_case_are_left_open() -> None:
    rules: tuple[tuple[str | None, Rule], ...] = (
        ("facts", Retention()),
        ("facts", MinScore(score="50%")),
        ("facts", MaxDrop()),
    )
    plan = a_plan(SUITES, *rules)
    retention, score, drop = decide_run(plan, answers(plan, {}), strip=False, schedule=HALF).findings
    assert (retention.outcome, retention.reason) == ("inconclusive", "stopped_early")
    assert (score.outcome, score.reason) == ("inconclusive", "stopped_early")
    assert drop.p_value is not None


def test_decide_run__a_finished_schedule_decides_on_every_case() -> None:
    plan = a_plan(SUITES, *RULES)
    told = answers(plan, WRONG)
    at_once = decide_run(plan, told, strip=False)
    staged = decide_run(plan, told, strip=False, schedule=Schedule(seed=3, stages=4, asked=4))
    assert staged.plan is plan
    assert [one.n for one in staged.comparisons] == [one.n for one in at_once.comparisons]
    assert [one.delta for one in staged.comparisons] == [one.delta for one in at_once.comparisons]
    assert staged.comparisons[0].method.startswith("betting e-values at every look; at the end ")


def test_decide_run__a_brief_look_shows_nothing_and_agrees_on_what_has_e_values() -> None:
    plan = a_plan(SUITES, ("facts", MaxDrop()), ("routing", MinGain()), arms=FOUR)
    told = answers(plan, WRONG)
    brief = decide_run(plan, told, strip=False, schedule=HALF, briefly=True)
    full = decide_run(plan, told, strip=False, schedule=HALF)
    assert all(one.rule is not None for one in brief.comparisons)
    assert [(one.suite, one.p_regression, one.p_noninferior) for one in brief.comparisons] == [
        (one.suite, one.p_regression, one.p_noninferior) for one in declared_part(full)
    ]
    assert [one.outcome for one in brief.findings] == [one.outcome for one in full.findings]


def test_is_futile_run__only_when_no_blocking_rule_can_fail_any_more() -> None:
    plan = a_plan(SUITES, ("facts", MaxDrop()), ("routing", MinGain()))
    almost = Schedule(seed=3, stages=20, asked=19)

    def look(wrong: dict[tuple[str, ArmName], int]) -> bool:
        return is_futile_run(plan, decide_run(plan, answers(plan, wrong), strip=False, schedule=almost, briefly=True))

    assert look({})
    assert not look({("facts", "candidate"): 20})
    critical = a_plan(SUITES, ("facts", MaxDrop()), (None, Critical(tag="de")))
    so_far = decide_run(critical, answers(critical, {}), strip=False, schedule=almost, briefly=True)
    assert not is_futile_run(critical, so_far)
    advisory = a_plan(SUITES, ("facts", MaxDrop(blocking=False)))
    assert not is_futile_run(
        advisory, decide_run(advisory, answers(advisory, {}), strip=False, schedule=almost, briefly=True)
    )


def test_decide_run__a_critical_rule_about_unlabelled_inputs_alone_does_not_pass() -> None:
    suites = (a_suite("facts", "regression", 30), a_suite("production", "distribution", 30, critical=True))
    plan = a_plan(suites, (None, Critical()))
    (one,) = plan.declared
    (finding,) = decide_run(plan, answers(plan, {}), strip=False).findings
    assert one.rule.problem(one.scope) is not None or finding.outcome != "pass"
