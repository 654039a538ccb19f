"""Which case is asked when, and what a look must show for a run to end."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from builders import a_case, a_finding

from gate.domain import Finding, Suite
from gate.plan import Plan, PlannedSuite
from gate.scorers import ExactMatch
from gate.stages import LEAST_CASES, MOST_STAGES, Schedule, is_decided, reserved, schedule


def a_suite(n: int, name: str = "facts", **fields: Any) -> Suite:
    cases = tuple(a_case(id=f"{name}-{index}", **fields) for index in range(n))
    return Suite(name=name, role="regression", cases=cases, digest="00")


def a_plan(*suites: Suite) -> Plan:
    planned = tuple(PlannedSuite(suite=suite, scorer=ExactMatch(), metric="mean") for suite in suites)
    return Plan(
        arms=("base", "candidate"), suites=planned, declared=(), notes=(), alpha=0.05, seed=3, fail_on="regression"
    )


@pytest.mark.parametrize(
    ("sizes", "stages"), [((24,), 1), ((50,), 2), ((300, 10), 12), ((10_000,), MOST_STAGES), ((), 1)]
)
def test_schedule__stages_of_a_useful_size(sizes: tuple[int, ...], stages: int) -> None:
    planned = schedule(a_plan(*(a_suite(n, f"s{index}") for index, n in enumerate(sizes))))
    assert (planned.stages, planned.asked, planned.seed) == (stages, 0, 3)


def test_schedule__every_stage_has_its_share_of_every_suite() -> None:
    order = Schedule(seed=0, stages=4, asked=0)
    for n in (7, 100, 101):
        counts = Counter(order.stages_of(a_suite(n)).values())
        assert set(counts) == {0, 1, 2, 3}
        assert max(counts.values()) - min(counts.values()) <= 1


def test_schedule__the_order_is_random_but_the_same_every_time() -> None:
    suite = a_suite(4 * LEAST_CASES)
    one, same, other = (Schedule(seed=seed, stages=4, asked=0).stages_of(suite) for seed in (0, 0, 1))
    assert one == same != other
    first = [case for case, stage in one.items() if stage == 0]
    assert sorted(first) != sorted(case.id for case in suite.cases[:LEAST_CASES])


def test_schedule__clusters_stay_whole() -> None:
    cases = tuple(a_case(id=str(index), cluster=f"c{index // 10}") for index in range(100))
    stage_of = Schedule(seed=0, stages=5, asked=0).stages_of(replace(a_suite(1), cases=cases))
    for cluster in range(10):
        assert len({stage_of[str(case)] for case in range(10 * cluster, 10 * cluster + 10)}) == 1


def test_asked_part__keeps_the_asked_cases_in_their_order() -> None:
    plan = a_plan(a_suite(100))
    half = Schedule(seed=0, stages=4, asked=2).asked_part(plan)
    ids = [case.id for case in half.suites[0].suite.cases]
    assert len(ids) == 50
    assert ids == [case.id for case in plan.suites[0].suite.cases if case.id in ids]
    assert Schedule(seed=0, stages=4, asked=4).asked_part(plan) is plan


PASSED = a_finding(p_value=1.0, final=True)
FAILED = a_finding(outcome="fail", p_value=0.001, final=True)
OPEN = a_finding(outcome="inconclusive", reason="underpowered")
CRITICAL = a_finding(rule="critical", p_value=None)
UNPROVEN = a_finding(outcome="fail", reason="underpowered", p_value=0.6)
"""Fails only because proof was demanded."""


@pytest.mark.parametrize(
    ("findings", "decided"),
    [
        ((PASSED, PASSED), True),
        ((PASSED, replace(PASSED, outcome="warn", reason="marginal_gain")), True),
        ((PASSED, OPEN), False),
        ((OPEN, FAILED), True),
        ((OPEN, replace(FAILED, blocking=False)), False),
        ((PASSED, CRITICAL), False),
        ((OPEN, replace(CRITICAL, outcome="fail", final=True)), True),
        ((OPEN, replace(CRITICAL, rule="retention", outcome="fail")), False),
        ((PASSED, UNPROVEN), False),
        ((PASSED, replace(PASSED, final=False)), False),
        ((PASSED, replace(OPEN, blocking=False)), True),
        ((), False),
    ],
)
def test_is_decided__only_by_what_later_cases_cannot_undo(findings: tuple[Finding, ...], decided: bool) -> None:
    assert is_decided(findings) is decided


@pytest.mark.parametrize(
    "finding",
    [
        PASSED,
        FAILED,
        replace(OPEN, p_value=0.6),
        replace(CRITICAL, outcome="fail", final=True),
        a_finding(outcome="error"),
    ],
)
def test_reserved__what_is_certain_stands(finding: Finding) -> None:
    assert reserved(finding) is finding


@pytest.mark.parametrize("finding", [CRITICAL, UNPROVEN, replace(CRITICAL, rule="retention", outcome="fail")])
def test_reserved__what_needs_every_case_is_left_open(finding: Finding) -> None:
    found = reserved(finding)
    assert (found.outcome, found.reason, found.observed) == ("inconclusive", "stopped_early", None)
