"""What must hold of every comparison, whatever the scores: binary, partial, repeated, clustered or labelled."""

import math
from dataclasses import replace

import pytest
from builders import a_hypothesis, a_pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.domain import Comparison, Hypothesis, Pair
from gate.stats.compare import compare

KINDS = ("binary", "partial", "clustered", "macro_f1", "weighted_f1")
MARGINS = (0.0, 0.02, 0.05, 0.1, 1 / 3)
SETTINGS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TOLERANCE = 0.02
"""Of p-values that come from random draws; exact ones are compared exactly."""
LABELS = ("a", "b", "c")


@st.composite
def some_pairs(draw: st.DrawFn, kind: str, *, most: int = 30) -> list[Pair]:
    """Pairs of one kind of score, in any order."""
    n = draw(st.integers(1, most))
    if kind in ("macro_f1", "weighted_f1"):
        rows = draw(st.lists(st.tuples(*[st.sampled_from(LABELS)] * 3), min_size=n, max_size=n))
        return [labelled(index, *row) for index, row in enumerate(rows)]
    score = st.sampled_from([0.0, 1.0]) if kind != "partial" else st.sampled_from([0.0, 0.25, 0.5, 0.8, 1.0])
    rows2 = draw(st.lists(st.tuples(score, score), min_size=n, max_size=n))
    clusters = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)) if kind == "clustered" else [None] * n
    return [
        a_pair(case=f"c{index}", candidate=ours, reference=theirs, cluster=None if group is None else f"g{group}")
        for index, ((ours, theirs), group) in enumerate(zip(rows2, clusters, strict=True))
    ]


def labelled(index: int, truth: str, ours: str, theirs: str) -> Pair:
    return a_pair(
        case=f"c{index}",
        candidate=float(ours == truth),
        reference=float(theirs == truth),
        truth=truth,
        candidate_labels=(ours,),
        reference_labels=(theirs,),
    )


def ask(kind: str, margin: float) -> Hypothesis:
    metric = kind if kind in ("macro_f1", "weighted_f1") else "mean"
    return a_hypothesis(metric=metric, margin=margin, fail_margin=margin)


def compared(kind: str, pairs: list[Pair], margin: float) -> Comparison:
    return compare(ask(kind, margin), pairs, binary=kind != "partial", seed=0)


def swapped(pair: Pair) -> Pair:
    return replace(
        pair,
        candidate=pair.reference,
        reference=pair.candidate,
        candidate_labels=pair.reference_labels,
        reference_labels=pair.candidate_labels,
    )


def ends(found: Comparison) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), margin=st.sampled_from(MARGINS))
def test_compare__every_number_is_possible(kind: str, data: st.DataObject, margin: float) -> None:
    found = compared(kind, data.draw(some_pairs(kind)), margin)
    assert found.delta is not None
    for p_value in (found.p_regression, found.p_noninferior, found.p_no_change):
        assert p_value is None or 0 <= p_value <= 1
    assert found.p_regression is not None
    assert found.p_noninferior is not None
    low, high = ends(found)
    assert -1 <= low <= found.delta + 1e-9
    assert found.delta - 1e-9 <= high <= 1
    assert not any(math.isnan(value) for value in (low, high, found.delta))
    # Both can never be proven: one would have to be wrong.
    assert found.p_regression > 0.05 or found.p_noninferior > 0.05


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), margin=st.sampled_from(MARGINS))
def test_compare__swapping_the_arms_swaps_the_p_values(kind: str, data: st.DataObject, margin: float) -> None:
    if kind == "clustered":
        return  # its two tests are different ones on purpose
    pairs = data.draw(some_pairs(kind))
    forth, back = compared(kind, pairs, margin), compared(kind, [swapped(pair) for pair in pairs], -margin)
    assert forth.delta == pytest.approx(-(back.delta or 0.0))
    tolerance = 1e-9 if kind == "binary" else TOLERANCE
    if kind in ("binary", "partial") or margin == 0:
        assert forth.p_regression == pytest.approx(back.p_noninferior, abs=tolerance)
        assert forth.p_noninferior == pytest.approx(back.p_regression, abs=tolerance)
    assert ends(forth) == pytest.approx(tuple(-end for end in reversed(ends(back))), abs=max(tolerance, 1e-5))


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), margin=st.sampled_from(MARGINS))
def test_compare__the_order_of_the_cases_leaves_no_trace(kind: str, data: st.DataObject, margin: float) -> None:
    pairs = data.draw(some_pairs(kind))
    shuffled = data.draw(st.permutations(pairs))
    assert compared(kind, shuffled, margin) == compared(kind, pairs, margin)


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), margin=st.sampled_from(MARGINS))
def test_compare__identical_arms_never_fail_and_prove_nothing_for_free(
    kind: str, data: st.DataObject, margin: float
) -> None:
    pairs = [
        replace(pair, reference=pair.candidate, reference_labels=pair.candidate_labels)
        for pair in data.draw(some_pairs(kind))
    ]
    found = compared(kind, pairs, margin)
    assert found.delta == 0
    assert found.p_regression == 1.0
    assert found.p_noninferior is not None
    assert found.p_noninferior > 0
    units = len({pair.cluster for pair in pairs}) if kind == "clustered" else len(pairs)
    assert found.p_noninferior >= (1 - margin) ** units - TOLERANCE


@pytest.mark.parametrize("margin", MARGINS)
@SETTINGS
@given(data=st.data())
def test_compare__one_more_unchanged_case_never_makes_a_drop_beyond_the_margin_more_certain(
    margin: float, data: st.DataObject
) -> None:
    if margin == 0:
        # Ties carry next to nothing at margin 0: the conditional test ignores them, the exact one hardly moves.
        return
    pairs = data.draw(some_pairs("binary"))
    tied = [*pairs, a_pair(case="tie", candidate=1.0, reference=1.0)]
    before, after = (compared("binary", some, margin) for some in (pairs, tied))
    assert (after.delta or 0.0) == pytest.approx((before.delta or 0.0) * len(pairs) / len(tied))
    if (before.delta or 0.0) >= 0:
        # Nothing was lost, and one more case shows it: a drop is ruled out at least as well, up to the saw's teeth.
        assert (after.p_noninferior or 0.0) <= (before.p_noninferior or 0.0) + 0.03
    else:
        assert (after.p_regression or 0.0) >= (before.p_regression or 0.0) - 0.03


@pytest.mark.parametrize(("ours", "theirs"), [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("margin", MARGINS)
def test_compare__all_alike(ours: float, theirs: float, n: int, margin: float) -> None:
    pairs = [a_pair(case=f"c{index}", candidate=ours, reference=theirs) for index in range(n)]
    found = compared("binary", pairs, margin)
    if ours == theirs:
        assert found.p_regression == 1.0
        # The chance to see no loss when all that is lost is the margin; far below 5 % another rate has a larger one.
        least = (1 - margin) ** n
        assert found.p_noninferior == (pytest.approx(least) if least > 0.05 else pytest.approx(least, abs=0.05))
        assert (found.p_noninferior or 0.0) >= least * (1 - 1e-9)
    elif ours < theirs:
        assert found.p_regression == pytest.approx(((1 + margin) / 2) ** n, abs=1e-6)
        assert found.p_noninferior == 1.0
    else:
        assert found.p_regression == 1.0
        assert (found.p_noninferior or 1.0) <= ((1 - margin) / 2) ** n + 1e-6 or margin > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("ours", "theirs"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_compare__a_single_case_proves_nothing(kind: str, ours: float, theirs: float) -> None:
    pair = labelled(0, "a", "a" if ours else "b", "a" if theirs else "b")
    if kind == "clustered":
        pair = replace(pair, cluster="g")
    for margin in MARGINS:
        found = compared(kind, [pair], margin)
        assert (found.p_regression or 0.0) > 0.05
        assert (found.p_noninferior or 0.0) > 0.05


@pytest.mark.parametrize("kind", KINDS)
@SETTINGS
@given(data=st.data(), margin=st.sampled_from(MARGINS))
def test_compare__forgetting_an_answer_never_proves_anything(kind: str, data: st.DataObject, margin: float) -> None:
    pairs = data.draw(some_pairs(kind, most=20))
    place = data.draw(st.integers(0, len(pairs) - 1))
    arm = data.draw(st.sampled_from(["candidate", "reference"]))
    holes = list(pairs)
    holes[place] = replace(pairs[place], **{arm: None, f"{arm}_labels": ()})
    whole, holed = compared(kind, pairs, margin), compared(kind, holes, margin)
    if holed.p_regression is None or holed.p_noninferior is None:
        assert holed.n == 0
        return
    tolerance = 1e-9 if kind == "binary" else TOLERANCE
    assert holed.p_regression >= (whole.p_regression or 0.0) - tolerance or holed.p_regression > 0.05
    assert holed.p_noninferior >= (whole.p_noninferior or 0.0) - tolerance or holed.p_noninferior > 0.05


@SETTINGS
@given(data=st.data())
def test_compare__a_wider_margin_is_easier_to_keep(data: st.DataObject) -> None:
    pairs = data.draw(some_pairs("partial"))
    narrow, wide = (compared("partial", pairs, margin) for margin in (0.02, 0.1))
    assert (wide.p_noninferior or 0.0) <= (narrow.p_noninferior or 0.0)
    assert (wide.p_regression or 0.0) >= (narrow.p_regression or 0.0)
