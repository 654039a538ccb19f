"""What a round that another run left may say in numbers."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from builders import (
    a_comparison,
    a_distribution,
    a_failing_round,
    a_finding,
    a_hypothesis,
    a_labelled_pair,
    a_pair,
    a_round,
    a_suite_summary,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gate import report
from gate.domain import Comparison, Round
from gate.errors import RecordsError
from gate.stats.compare import compare
from gate.stored_round import read_foreign_round

TRADEOFF = {"measure": "tradeoff", "estimate": None, "against_estimate": None, "regressed": None, "fixed": None}
OUT_OF_POINTS = (
    a_comparison(**TRADEOFF, delta=-40.0, low=-60.0, high=-20.0, task_suite="routing"),
    a_comparison(measure="shift", metric="length", estimate=21.2, against_estimate=38.4, delta=-0.453, low=-0.5,
                 high=-0.4, regressed=None, fixed=None),
    a_comparison(metric="macro_f1", estimate=0.93, against_estimate=0.29, delta=0.64, regressed=0, fixed=6, n=12,
                 low=0.4, high=1.2),
    a_comparison(measure="score", against=None, against_estimate=None, delta=0.04, regressed=None, fixed=None),
    a_comparison(measure="flips", estimate=0.01, against_estimate=None, delta=0.04),
    a_comparison(n=0, dropped=300, estimate=None, against_estimate=None, delta=None, low=None, high=None),
)  # fmt: skip
"""Numbers that real runs write and that look odd beside those of a plain drop."""


def written(round_: Round, folder: Path) -> Path:
    path = folder / "round.json"
    path.write_text(report.dump(round_), "utf-8")
    return path


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (a_comparison(n=-5), "a count is negative or out of range"),
        (a_comparison(regressed=10**30), "a count is negative or out of range"),
        (a_comparison(n=3, regressed=2, fixed=2), "2 regressed and 2 fixed of 3 cases"),
        (a_comparison(n=3, regressed=None, fixed=4), "0 regressed and 4 fixed of 3 cases"),
        (a_comparison(n=299, dropped=2), "299 cases and 2 left out of a suite of 300"),
        (a_comparison(estimate=1.0), "delta is 0, and the estimates 1 and 0.99"),
        (a_comparison(estimate=1.01, against_estimate=1.01), "an estimate is not between 0 and 1"),
        (a_comparison(delta=1e308, low=-1e308, high=1e308), "a figure is out of range"),
        (a_comparison(low=-1e308, high=1e308), "low -1e+308 and high 1e+308 are no interval"),
        (a_comparison(low=0.1, high=-0.1), "low 0.1 and high -0.1 are no interval"),
        (a_comparison(measure="flips", against_estimate=None, delta=2.0), "a delta of 2, which no score can move"),
        (
            a_comparison(estimate=0.99, against_estimate=0.9, delta=0.09, regressed=10, fixed=0),
            "delta is 0.09 with 10 regressed and 0 fixed of 300",
        ),
        (
            a_comparison(
                estimate=1.0,
                against_estimate=1.0,
                regressed=10,
                fixed=0,
                method="exact unconditional (Tango order); interval by inversion",
            ),
            "delta is 0 with 10 regressed and 0 fixed of 300",
        ),
        (a_comparison(p_regression=1.5), "a probability is not between 0 and 1"),
    ],
)
def test_read_foreign_round__numbers_that_contradict_each_other(
    tmp_path: Path, comparison: Comparison, said: str
) -> None:
    path = written(a_round(comparisons=(a_comparison(), comparison), findings=(a_finding(guards=True),)), tmp_path)
    with pytest.raises(RecordsError) as refused:
        read_foreign_round(path)
    assert f"The numbers contradict each other: comparisons.1: {said}." in str(refused.value)


@pytest.mark.parametrize(
    ("round_", "place"),
    [
        (a_round(findings=(a_finding(observed=1e308),)), "findings.0"),
        (a_round(distributions=(a_distribution(n=-1),)), "distributions.0"),
        (a_round(distributions=(a_distribution(change=1e308),)), "distributions.0"),
    ],
)
def test_read_foreign_round__numbers_out_of_range(tmp_path: Path, round_: Round, place: str) -> None:
    with pytest.raises(RecordsError, match=f"No run gives such numbers: {place} is out of range"):
        read_foreign_round(written(round_, tmp_path))


def test_read_foreign_round__what_runs_write_is_taken(tmp_path: Path) -> None:
    assert read_foreign_round(written(a_failing_round(), tmp_path)).comparisons
    round_ = a_round(comparisons=OUT_OF_POINTS, findings=(a_finding(guards=True),))
    assert read_foreign_round(written(round_, tmp_path)).comparisons == OUT_OF_POINTS


SCORE = st.one_of(st.sampled_from([0.0, 0.5, 1.0, None]), st.floats(0, 1))
CASE = st.tuples(SCORE, SCORE, st.sampled_from([None, "a", "b", "c"]), st.sampled_from("xyz"), st.sampled_from("xyz"))


@settings(deadline=None, max_examples=150)
@given(
    cases=st.lists(CASE, min_size=1, max_size=25),
    measure=st.sampled_from(["delta", "score", "flips"]),
    metric=st.sampled_from(["mean", "macro_f1", "weighted_f1"]),
    binary=st.booleans(),
    relative=st.booleans(),
)
def test_read_foreign_round__whatever_a_comparison_says_is_possible(
    cases: list[tuple[float | None, float | None, str | None, str, str]],
    measure: Literal["delta", "score", "flips"],
    metric: str,
    binary: bool,
    relative: bool,
) -> None:
    if metric != "mean":
        pairs = [a_labelled_pair("x", mine, theirs, case=str(n)) for n, (_, _, _, mine, theirs) in enumerate(cases)]
        measure, binary = "delta", False
    else:
        whole = {True: lambda score: None if score is None else float(score >= 0.5), False: lambda score: score}[binary]
        pairs = [
            a_pair(case=str(n), candidate=whole(mine), reference=whole(theirs), cluster=cluster)
            for n, (mine, theirs, cluster, _, _) in enumerate(cases)
        ]
    asked = a_hypothesis(
        measure=measure,
        metric=metric,
        relative=relative and measure == "delta" and metric == "mean",
        score=0.9 if measure == "score" else None,
    )
    found = compare(asked, pairs, binary=binary, seed=0)
    summary = a_suite_summary(n=len(pairs))
    round_ = a_round(suites={found.suite: summary}, comparisons=(found,), findings=(a_finding(guards=True),))
    with TemporaryDirectory() as folder:
        assert read_foreign_round(written(round_, Path(folder))).comparisons == (found,)
