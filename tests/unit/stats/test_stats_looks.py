"""P-values of a run that may stop after any stage, against the e-values that they are made of."""

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import a_case, a_hypothesis, a_pair

from gate.domain import Hypothesis, Pair
from gate.stats.compare import compare, untested
from gate.stats.looks import STOPPED, Looks, allow_for_looks, is_hopeless
from gate.stats.sequential import EARLY_SHARE, Look


def pairs(gains: int, losses: int, n: int) -> tuple[Pair, ...]:
    values = [(1.0, 0.0)] * gains + [(0.0, 1.0)] * losses + [(1.0, 1.0)] * (n - gains - losses)
    order = np.random.default_rng(0).permutation(n)
    return tuple(a_pair(case=str(index), candidate=values[at][0], reference=values[at][1])
                 for index, at in enumerate(order))  # fmt: skip


def looks(n: int, stages: int, *, finished: bool) -> Looks:
    return Looks(stage_of={str(index): index * stages // n for index in range(n)}, finished=finished)


def staged(hypothesis: Hypothesis, mine: tuple[Pair, ...], schedule: Looks) -> tuple[float | None, float | None]:
    at_once = compare(hypothesis, mine, binary=True, seed=0)
    found = allow_for_looks(at_once, hypothesis, mine, looks=schedule)
    assert replace(
        found, p_regression=None, p_noninferior=None, p_no_change=None, method="", decided_by_missing=False
    ) == replace(at_once, p_regression=None, p_noninferior=None, p_no_change=None, method="", decided_by_missing=False)
    return found.p_regression, found.p_noninferior


def largest_e(mine: tuple[Pair, ...], schedule: Looks, margin: float) -> float:
    """The e-value against H0: delta >= -margin, at the look where it is largest."""
    values = []
    for stage in sorted(set(schedule.stage_of.values())):
        seen = [pair for pair in mine if schedule.stage_of[pair.case] <= stage]
        delta = [(p.candidate or 0.0) - (p.reference or 0.0) for p in seen]
        look = Look.of_counts(delta.count(1.0), delta.count(-1.0), len(delta))
        values.append(math.exp(look.log_e_regression(margin)))
    return max(values)


def test_allow_for_looks__unfinished_only_the_e_values_count() -> None:
    mine, schedule = pairs(0, 40, 100), looks(100, 4, finished=False)
    p_regression, p_noninferior = staged(a_hypothesis(margin=0.05, fail_margin=0.05), mine, schedule)
    assert p_regression == pytest.approx(1 / (EARLY_SHARE * largest_e(mine, schedule, 0.05)))
    assert p_noninferior == 1.0


def test_allow_for_looks__finished_the_better_of_both_counts() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    mild, disaster, schedule = pairs(2, 14, 100), pairs(0, 60, 100), looks(100, 4, finished=True)
    at_once = compare(hypothesis, mild, binary=True, seed=0)
    assert at_once.p_regression is not None
    assert staged(hypothesis, mild, schedule)[0] == pytest.approx(at_once.p_regression / (1 - EARLY_SHARE))
    assert staged(hypothesis, disaster, schedule)[0] == pytest.approx(
        min(
            1 / (EARLY_SHARE * largest_e(disaster, schedule, 0.05)),
            (compare(hypothesis, disaster, binary=True, seed=0).p_regression or 0.0) / (1 - EARLY_SHARE),
        )
    )


def test_allow_for_looks__missing_cases_are_filled_against_each_claim() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    mine, schedule = pairs(0, 40, 100), looks(100, 4, finished=False)
    holes = tuple(replace(pair, candidate=None) if pair.candidate == 0.0 else pair for pair in mine)
    known = [pair for pair in holes if pair.candidate is not None]
    found = allow_for_looks(untested(hypothesis, holes, binary=True), hypothesis, holes, looks=schedule)
    assert found.n == len(known) == 60
    assert found.p_regression == 1.0
    assert found.p_noninferior == 1.0
    assert not found.decided_by_missing
    few = tuple(replace(pair, candidate=None) if index % 9 == 0 else pair for index, pair in enumerate(mine))
    complete = allow_for_looks(untested(hypothesis, mine, binary=True), hypothesis, mine, looks=schedule)
    thinner = allow_for_looks(untested(hypothesis, few, binary=True), hypothesis, few, looks=schedule)
    assert complete.p_regression is not None
    assert thinner.p_regression is not None
    assert thinner.p_regression > complete.p_regression


def test_allow_for_looks__clusters_wait_for_the_end() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    mine = tuple(replace(pair, cluster=str(int(pair.case) // 5)) for pair in pairs(0, 40, 100))
    found = allow_for_looks(
        untested(hypothesis, mine, binary=True), hypothesis, mine, looks=looks(100, 4, finished=False)
    )
    assert (found.p_regression, found.p_noninferior) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [{"relative": True}, {"measure": "flips"}, {"measure": "score", "score": 0.8}, {"margin": 1.0, "fail_margin": 1.0}],
)
def test_allow_for_looks__what_has_no_e_value_waits_for_the_end(changes: dict[str, object]) -> None:
    hypothesis = replace(a_hypothesis(margin=0.05, fail_margin=0.05), **changes)  # type: ignore[arg-type]
    mine = pairs(1, 30, 100)
    at_once = compare(hypothesis, mine, binary=True, seed=0)
    assert allow_for_looks(at_once, hypothesis, mine, looks=looks(100, 4, finished=True)) == at_once
    stopped = allow_for_looks(at_once, hypothesis, mine, looks=looks(100, 4, finished=False))
    assert (stopped.p_regression, stopped.p_noninferior, stopped.method) == (None, None, STOPPED)


def test_allow_for_looks__only_the_slice_is_looked_at() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05, slice="de")
    tagged = tuple(replace(pair, tags=("de",)) for pair in pairs(0, 5, 50))
    others = tuple(replace(pair, case=f"x{pair.case}") for pair in pairs(0, 50, 50))
    stage_of = {pair.case: 0 for pair in (*tagged, *others)}
    found = staged(hypothesis, (*tagged, *others), Looks(stage_of=stage_of, finished=False))
    assert found == staged(hypothesis, tagged, Looks(stage_of=stage_of, finished=False))


def test_is_hopeless__when_what_is_left_could_hardly_turn_it() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    planned = [a_case(id=str(index)) for index in range(300)]
    assert is_hopeless(hypothesis, pairs(0, 0, 250), planned=planned, rules=1)
    assert not is_hopeless(hypothesis, pairs(0, 0, 40), planned=planned, rules=1)
    assert not is_hopeless(hypothesis, pairs(0, 60, 250), planned=planned, rules=1)
    assert not is_hopeless(replace(hypothesis, relative=True), pairs(0, 0, 250), planned=planned, rules=1)


def test_is_hopeless__more_rules_make_a_failure_less_likely() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    planned = [a_case(id=str(index)) for index in range(300)]
    found = [is_hopeless(hypothesis, pairs(2, 7, 150), planned=planned, rules=rules) for rules in (1, 10**6)]
    assert found == [False, True]


def test_is_hopeless__a_cluster_is_one_unit() -> None:
    hypothesis = a_hypothesis(margin=0.05, fail_margin=0.05)
    planned = [a_case(id=str(index), cluster=str(index // 10)) for index in range(300)]
    mine = tuple(replace(pair, cluster=str(int(pair.case) // 10)) for pair in pairs(0, 0, 250))
    assert not is_hopeless(hypothesis, mine, planned=planned, rules=1)
