import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from gate.stats import binary
from gate.stats.corpus import EXACT_MAX_DIFFERING, NO_CLASS, Average, Labelled, Tally, arm_swaps, f1, tallies
from gate.stats.corpus_procedures import corpus_procedure, corpus_score_procedure
from gate.stats.procedures import Procedure

AVERAGES: tuple[Average, ...] = ("macro", "weighted")
SHARES = (0.5, 0.25, 0.15, 0.07, 0.03)


def plain_f1(truth: Sequence[int], answers: Sequence[Sequence[int]], average: Average) -> float:
    """F1 by counting precision and recall of each class that occurs as truth, answer by answer."""
    scores, weights = [], []
    for label in sorted(set(truth)):
        hits = false_alarms = misses = 0.0
        for true, given in zip(truth, answers, strict=True):
            for answer in given:
                hits += (true == label and answer == label) / len(given)
                false_alarms += (true != label and answer == label) / len(given)
                misses += (true == label and answer != label) / len(given)
        precision = hits / (hits + false_alarms) if hits else 0.0
        recall = hits / (hits + misses)
        scores.append(2 * precision * recall / (precision + recall) if hits else 0.0)
        weights.append(1.0 if average == "macro" else truth.count(label))
    return sum(score * weight for score, weight in zip(scores, weights, strict=True)) / sum(weights)


def plain_delta(labels: Labelled, average: Average, *, weight: float = 1.0) -> float:
    truth = labels.truth.tolist()
    return plain_f1(truth, labels.candidate.tolist(), average) - weight * plain_f1(
        truth, labels.reference.tolist(), average
    )


def only(labels: Labelled, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Labelled:
    codes = None if labels.codes is None else labels.codes[rows]
    return Labelled(
        truth=labels.truth[rows], candidate=labels.candidate[rows], reference=labels.reference[rows], codes=codes
    )


def swapped(labels: Labelled) -> Labelled:
    return replace(labels, candidate=labels.reference, reference=labels.candidate)


def drawn(
    n: int, *, seed: int = 0, repeats: tuple[int, int] = (1, 1), clusters: int | None = None, flips: float = 0.2
) -> Labelled:
    """Arms that are mostly right; wrong answers include a class that is never true and answers that are no class."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(SHARES), size=n, p=SHARES)

    def arm(count: int) -> NDArray[np.int64]:
        other = rng.integers(NO_CLASS, len(SHARES) + 1, size=(n, count))
        return np.where(rng.random((n, count)) < flips, other, truth[:, None])

    codes = None if clusters is None else rng.permutation(np.arange(n) % clusters) * 7
    return Labelled(truth=truth, candidate=arm(repeats[0]), reference=arm(repeats[1]), codes=codes)


def unchanged(n: int, *, truth: NDArray[np.int64] | None = None, codes: NDArray[np.int64] | None = None) -> Labelled:
    """Equal arms, right on four cases of five; two classes of equal size unless a truth is given."""
    true = np.arange(n) % 2 if truth is None else truth
    answers = np.where(np.arange(n) % 5 == 4, NO_CLASS, true)[:, None]
    return Labelled(truth=true, candidate=answers, reference=answers, codes=codes)


def difference(labels: Labelled, *, average: Average = "macro", relative: bool = False, seed: int = 0) -> Procedure:
    return corpus_procedure(labels, average=average, relative=relative, seed=seed)


def everything(procedure: Procedure) -> list[object]:
    margins = (-0.05, 0.0, 0.02, 0.1)
    return [
        procedure.method,
        procedure.clusters,
        *(procedure.p_regression(margin) for margin in margins),
        *(procedure.p_noninferior(margin) for margin in margins),
        procedure.p_no_change(),
        procedure.interval(0.05),
        procedure.detectable_drop(0.02, 0.05),
    ]


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("repeats", [1, 3])
def test_f1__equals_precision_and_recall_by_hand(average: Average, repeats: int) -> None:
    labels = drawn(60, repeats=(repeats, 1), flips=0.5)
    expected = plain_f1(labels.truth.tolist(), labels.candidate.tolist(), average)
    assert f1(labels.truth, labels.candidate, average=average) == pytest.approx(expected, abs=1e-12)


def test_f1__worked_example() -> None:
    # Class 0: 2 right of 3, answered 3 times; class 1: 1 right of 2, answered once. Class 5 is never true.
    truth, answers = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 5, 1, 0])
    assert f1(truth, answers, average="macro") == pytest.approx((2 / 3 + 2 / 3) / 2)
    truth, answers = np.array([0, 0, 0, 1]), np.array([0, 0, NO_CLASS, 0])
    assert f1(truth, answers, average="macro") == pytest.approx((4 / 6 + 0) / 2)
    assert f1(truth, answers, average="weighted") == pytest.approx(4 / 6 * 3 / 4)


def test_f1__no_class_and_a_class_that_is_never_true_cost_the_same() -> None:
    truth = np.array([0, 0, 1, 1, 2])
    invalid, foreign = np.array([0, NO_CLASS, 1, 1, 2]), np.array([0, 9, 1, 1, 2])
    assert f1(truth, invalid, average="macro") == f1(truth, foreign, average="macro")


def test_f1__right_and_wrong_throughout() -> None:
    truth = np.array([3, 1, 1])
    assert f1(truth, truth, average="macro") == 1.0
    assert f1(truth, np.full(3, NO_CLASS), average="weighted") == 0.0


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        (np.empty(0, dtype=np.int64), np.empty((0, 1), dtype=np.int64)),
        (np.array([0, 1]), np.array([0])),
        (np.array([0, 1]), np.empty((2, 0), dtype=np.int64)),
        (np.array([[0], [1]]), np.array([[0], [1]])),
    ],
)
def test_f1__refuses_shapes_that_do_not_fit(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> None:
    with pytest.raises(ValueError, match="one truth and k >= 1 answers"):
        f1(truth, predicted, average="macro")


@pytest.mark.parametrize(("truth", "predicted"), [([-1, 0], [0, 0]), ([0, 0], [0, -2])])
def test_f1__refuses_impossible_codes(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match="start at 0"):
        f1(np.array(truth), np.array(predicted), average="macro")


def test_labelled__refuses_codes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="3 cluster codes do not fit 4 cases"):
        difference(replace(unchanged(4), codes=np.zeros(3, dtype=np.int64)))


def test_leverage__one_for_equal_classes_and_for_the_weighted_average() -> None:
    labels = drawn(100)
    assert tallies(unchanged(100))[0].leverage("macro") == pytest.approx(1)
    assert tallies(labels)[0].leverage("weighted") == pytest.approx(1)
    assert tallies(unchanged(50, truth=np.zeros(50, dtype=np.int64)))[0].leverage("macro") == 1.0


def test_leverage__is_what_the_costliest_flip_does() -> None:
    truth = np.repeat([0, 1, 2], [9_000, 700, 300])
    worst = truth.copy()
    worst[-1] = 1
    cost = 1.0 - f1(truth, worst, average="macro")
    tally = Tally.of(truth, truth[:, None], unit=np.arange(truth.size))
    assert tally.leverage("macro") / truth.size == pytest.approx(cost, rel=0.005)


def test_leverage__of_a_cluster_is_that_of_its_cases_together() -> None:
    codes = np.repeat(np.arange(5), [60, 10, 10, 10, 10])
    tally = tallies(unchanged(100, codes=codes))[0]
    assert tally.leverage("weighted") == pytest.approx(60 / 20)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize(("repeats", "clusters"), [((1, 1), None), ((2, 3), None), ((1, 1), 4), ((2, 1), 5)])
def test_arm_swaps__equal_full_enumeration(average: Average, repeats: tuple[int, int], clusters: int | None) -> None:
    """A case with different numbers of repeats is swapped with all its answers; here by swapping rows of answers."""
    labels = drawn(9, seed=3, repeats=repeats, clusters=clusters, flips=0.4)
    unit = np.arange(9) if labels.codes is None else labels.codes
    candidate, reference = labels.candidate.tolist(), labels.reference.tolist()
    observed, deltas = plain_delta(labels, average), []
    for signs in itertools.product((False, True), repeat=np.unique(unit).size):
        flipped = dict(zip(np.unique(unit).tolist(), signs, strict=True))
        arms = [
            (theirs, ours) if flipped[int(code)] else (ours, theirs)
            for ours, theirs, code in zip(candidate, reference, unit, strict=True)
        ]
        sides = [plain_f1(labels.truth.tolist(), [pair[side] for pair in arms], average) for side in (0, 1)]
        deltas.append(sides[0] - sides[1])
    found = arm_swaps(*tallies(labels), average=average, seed=0)
    assert found.p_drop == pytest.approx(np.mean([delta <= observed + 1e-9 for delta in deltas]), abs=1e-12)
    assert found.p_gain == pytest.approx(np.mean([delta >= observed - 1e-9 for delta in deltas]), abs=1e-12)


def test_arm_swaps__random_swaps_come_near_the_exact_p_value() -> None:
    """n losses of one class only: a sum of equal signs decides, whose distribution is binomial."""
    gains, losses = 8, 16
    truth = np.zeros(60, dtype=np.int64)
    candidate, reference = truth.copy(), truth.copy()
    candidate[:losses], reference[losses : losses + gains] = NO_CLASS, NO_CLASS
    labels = Labelled(truth=truth, candidate=candidate[:, None], reference=reference[:, None], codes=None)
    assert gains + losses > EXACT_MAX_DIFFERING
    exact = binary.mcnemar_drop(gains, losses, mid_p=False)
    assert difference(labels).p_regression(0.0) == pytest.approx(exact, abs=4 * math.sqrt(exact / 10_000))


def test_arm_swaps__are_never_zero_when_drawn() -> None:
    truth = np.arange(40) % 2
    lost = Labelled(truth=truth, candidate=np.full((40, 1), NO_CLASS), reference=truth[:, None], codes=None)
    assert difference(lost).p_regression(0.0) == pytest.approx(1 / 10_002)
    assert difference(lost).p_noninferior(0.0) == 1.0


def welch(labels: Labelled, kept: Sequence[Labelled], without: Sequence[float]) -> float:
    """Degrees of freedom by class after Welch and Satterthwaite; units less one where they mix classes."""
    if labels.codes is not None:
        return len(kept) - 1
    mean = float(np.mean(without))
    by_class: dict[int, list[float]] = {}
    for truth, value in zip(labels.truth.tolist(), without, strict=True):
        by_class.setdefault(truth, []).append((value - mean) ** 2)
    total = sum(sum(parts) for parts in by_class.values())
    spread = sum(sum(parts) ** 2 / max(1, len(parts) - 1) for parts in by_class.values())
    return max(1.0, min(len(kept) - 1.0, total**2 / spread))


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("clusters", [None, 9])
def test_procedure__equals_the_jackknife_by_hand(average: Average, relative: bool, clusters: int | None) -> None:
    labels = drawn(30, seed=1, repeats=(2, 1), clusters=clusters, flips=0.3)
    margin = 0.45
    weight, shift = (1 - margin, 0.0) if relative else (1.0, margin)
    unit = np.arange(30) if labels.codes is None else labels.codes
    kept = [only(labels, unit != code) for code in np.unique(unit)]

    def standard_error(weight: float) -> float:
        without = np.array([plain_delta(left, average, weight=weight) for left in kept])
        return math.sqrt((len(kept) - 1) / len(kept) * float(np.sum((without - without.mean()) ** 2)))

    procedure = difference(labels, average=average, relative=relative)
    statistic = (plain_delta(labels, average, weight=weight) + shift) / standard_error(weight)
    freedom = welch(labels, kept, [plain_delta(left, average, weight=weight) for left in kept])
    in_points = welch(labels, kept, [plain_delta(left, average) for left in kept])
    assert procedure.p_regression(margin) == pytest.approx(student.cdf(statistic, freedom), rel=1e-9)
    reach = student.ppf(0.95, in_points) * standard_error(1.0)
    delta = plain_delta(labels, average)
    assert procedure.interval(0.05) == pytest.approx((max(-1, delta - reach), min(1, delta + reach)))
    points = margin * plain_f1(labels.truth.tolist(), labels.reference.tolist(), average) if relative else margin
    expected = points + (student.ppf(0.8, in_points) + student.ppf(0.95, in_points)) * standard_error(1.0)
    drop = procedure.detectable_drop(margin, 0.05)
    assert drop == (pytest.approx(expected) if expected <= 1 else None)


def test_p_noninferior__equals_the_jackknife_where_nothing_bounds_it() -> None:
    labels = drawn(200, flips=0.5)
    kept = [np.delete(np.arange(200), row) for row in range(200)]
    without = np.array([plain_delta(only(labels, rows), "weighted") for rows in kept])
    error = math.sqrt(199 / 200 * float(np.sum((without - without.mean()) ** 2)))
    statistic = (plain_delta(labels, "weighted") + 0.05) / error
    assert difference(labels, average="weighted").p_noninferior(0.05) == pytest.approx(
        student.sf(statistic, welch(labels, [labels] * 200, without.tolist()))
    )


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("clusters", [None, 12])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.3])
def test_procedure__identical_arms_never_fail(relative: bool, clusters: int | None, margin: float) -> None:
    labels = unchanged(60, codes=None if clusters is None else np.arange(60) % clusters)
    procedure = difference(labels, relative=relative)
    assert procedure.p_regression(margin) == 1.0
    assert procedure.p_noninferior(margin) > 0
    assert procedure.p_no_change() == 1.0
    assert procedure.detectable_drop(margin, 0.05) is None


@pytest.mark.parametrize(("n", "expected"), [(100, 0.1326), (149, 0.0493)])
@pytest.mark.parametrize("average", AVERAGES)
def test_p_noninferior__identical_arms_need_as_many_cases_as_elsewhere(
    n: int, expected: float, average: Average
) -> None:
    found = difference(unchanged(n), average=average).p_noninferior(0.02)
    assert found == pytest.approx(expected, abs=5e-4)
    assert found >= 0.98**n


def test_p_noninferior__counts_clusters_and_not_cases() -> None:
    procedure = difference(unchanged(600, codes=np.arange(600) // 6))
    assert procedure.clusters == 100
    assert procedure.p_noninferior(0.02) == pytest.approx(0.98**100, abs=1e-9)


def test_p_noninferior__a_relative_margin_counts_in_points() -> None:
    labels = unchanged(100)
    points = 0.02 * f1(labels.truth, labels.reference, average="macro")
    assert difference(labels, relative=True).p_noninferior(0.02) == pytest.approx((1 - points) ** 100, rel=1e-6)


def test_p_noninferior__a_rare_class_without_a_loss_is_not_shown_to_be_safe() -> None:
    truth = np.repeat([0, 1], [195, 5])
    rare = difference(unchanged(200, truth=truth))
    # Losing a share of 0.08 of the rare class would cost about the margin; 5 cases hardly show that.
    assert rare.p_noninferior(0.02) > 0.5
    assert difference(unchanged(200, truth=truth), average="weighted").p_noninferior(0.02) < 0.05


def test_p_noninferior__is_never_easier_than_the_exact_test_on_the_same_delta() -> None:
    truth = np.arange(300) % 2
    candidate = truth.copy()
    candidate[:3] = 1 - truth[:3]
    labels = Labelled(truth=truth, candidate=candidate[:, None], reference=truth[:, None], codes=None)
    exact = binary.p_noninferior(0, 3, 300, margin=0.02)
    assert difference(labels).p_noninferior(0.02) >= exact > 0.05
    gained = difference(swapped(labels)).p_noninferior(0.02)
    assert gained == pytest.approx(binary.p_noninferior(3, 0, 300, margin=0.02), rel=0.5)


@pytest.mark.parametrize("n", [2, 5])
def test_p_regression__no_spread_does_not_make_a_proof_of_a_few_cases(n: int) -> None:
    truth = np.zeros(n, dtype=np.int64)
    lost = Labelled(truth=truth, candidate=np.full((n, 1), NO_CLASS), reference=truth[:, None], codes=None)
    procedure = difference(lost)
    assert procedure.p_regression(0.02) == pytest.approx(max(0.51**n, 0.5**n))
    assert procedure.p_noninferior(0.02) == 1.0
    assert procedure.interval(0.05) == pytest.approx((-1.0, 1 - 2 * 0.05 ** (1 / n)))


def test_p_values__no_spread_between_the_extremes_is_gaffkes_bound() -> None:
    # Half of the repeats of every case lose: F1 falls from 1 to 2/3 whatever case is left out.
    truth = np.zeros(20, dtype=np.int64)
    answers = np.tile([0, NO_CLASS], (20, 1))
    labels = Labelled(truth=truth, candidate=answers, reference=truth[:, None], codes=None)
    assert difference(labels).p_regression(0.2) == pytest.approx((1.2 / (4 / 3)) ** 20)
    assert difference(swapped(labels)).p_noninferior(-0.2) >= (1.2 / (4 / 3)) ** 20 - 1e-12


@pytest.mark.parametrize("margin", [-0.5, 0.0, 0.02, 1.0])
@pytest.mark.parametrize("relative", [False, True])
def test_procedure__one_case_proves_nothing(margin: float, relative: bool) -> None:
    truth = np.array([0])
    labels = Labelled(truth=truth, candidate=np.array([[NO_CLASS]]), reference=truth[:, None], codes=None)
    for one in (labels, swapped(labels), unchanged(1), replace(unchanged(9), codes=np.zeros(9, dtype=np.int64))):
        procedure = difference(one, relative=relative)
        assert procedure.p_regression(margin) >= 0.5
        assert procedure.p_noninferior(margin) >= 0.5
        assert procedure.interval(0.05) == (-1.0, 1.0)
        assert procedure.detectable_drop(0.02, 0.05) is None


def test_procedure__a_demanded_gain_that_is_not_there_fails() -> None:
    procedure = difference(unchanged(200))
    assert procedure.p_regression(-0.05) == pytest.approx(0.95**200)
    assert procedure.p_noninferior(-0.05) == 1.0


def test_procedure__impossible_margins_are_certain_but_never_zero() -> None:
    procedure = difference(drawn(80))
    assert procedure.p_regression(1.5) == 1.0
    assert 0 < procedure.p_noninferior(1.5) < 1e-6


def test_p_regression__a_drop_beyond_the_margin_must_be_a_drop() -> None:
    # Four losses and no gain: a t-test at a margin next to 0 would call that proven, sixteen sign patterns do not.
    truth = np.zeros(100, dtype=np.int64)
    candidate = truth.copy()
    candidate[:4] = NO_CLASS
    labels = Labelled(truth=truth, candidate=candidate[:, None], reference=truth[:, None], codes=None)
    assert difference(labels).p_regression(0.0001) == pytest.approx(1 / 16)
    assert difference(swapped(labels)).p_noninferior(-0.0001) >= 1 / 16


@pytest.mark.parametrize("clusters", [None, 30])
@pytest.mark.parametrize("n", [20, 150])
def test_procedure__swapping_arms_swaps_the_p_values_at_no_margin(n: int, clusters: int | None) -> None:
    labels = drawn(n, seed=2, repeats=(1, 2), clusters=clusters)
    ours, theirs = difference(labels), difference(swapped(labels))
    assert ours.p_regression(0.0) == theirs.p_noninferior(0.0)
    assert ours.p_noninferior(0.0) == theirs.p_regression(0.0)
    low, high = theirs.interval(0.05)
    assert ours.interval(0.05) == pytest.approx((-high, -low), abs=1e-12)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("clusters", [None, 40])
def test_procedure__order_of_cases_repeats_and_names_of_clusters_leave_no_trace(
    relative: bool, clusters: int | None
) -> None:
    labels = drawn(200, repeats=(3, 2), clusters=clusters)
    rows = np.random.default_rng(5).permutation(200)
    shuffled = only(labels, rows)
    codes = None if shuffled.codes is None else (shuffled.codes * 11) % 281
    other = replace(shuffled, candidate=shuffled.candidate[:, ::-1], codes=codes)
    assert everything(difference(labels, relative=relative)) == everything(difference(other, relative=relative))


def test_procedure__cases_in_clusters_of_their_own_are_independent_cases() -> None:
    labels = drawn(60)
    own = everything(difference(replace(labels, codes=np.arange(60)[::-1].copy())))
    assert own[2:] == everything(difference(labels))[2:]


@pytest.mark.parametrize("average", AVERAGES)
def test_p_values__are_probabilities_and_never_both_small(average: Average) -> None:
    for seed in range(10):
        procedure = difference(drawn(40, seed=seed, clusters=15 if seed % 2 else None), average=average)
        for margin in (-0.2, -0.01, 0.0, 0.01, 0.2):
            regression, noninferior = procedure.p_regression(margin), procedure.p_noninferior(margin)
            assert 0 < regression <= 1
            assert 0 < noninferior <= 1
            assert regression + noninferior >= 1 - 1e-9


def test_method__names_the_average_and_the_unit() -> None:
    assert difference(drawn(20), average="weighted").method.startswith("weighted F1: delete-one-case jackknife t")
    assert "delete-one-cluster" in difference(drawn(20, clusters=5)).method
    assert "arm swaps alone" not in difference(drawn(20), relative=True).method
    score = corpus_score_procedure(drawn(20, clusters=5), average="macro", required=0.5, seed=0)
    assert score.method == "macro F1: delete-one-cluster jackknife t"
    assert score.clusters == 5


def test_score_procedure__equals_the_jackknife_by_hand() -> None:
    labels = drawn(80, repeats=(2, 1), flips=0.5)
    truth, answers = labels.truth.tolist(), labels.candidate.tolist()
    without = np.array(
        [plain_f1(truth[:i] + truth[i + 1 :], answers[:i] + answers[i + 1 :], "weighted") for i in range(80)]
    )
    error = math.sqrt(79 / 80 * float(np.sum((without - without.mean()) ** 2)))
    score = plain_f1(truth, answers, "weighted")
    freedom = welch(labels, [labels] * 80, without.tolist())
    procedure = corpus_score_procedure(labels, average="weighted", required=0.8, seed=0)
    assert procedure.p_regression(0.05) == pytest.approx(student.cdf((score - 0.75) / error, freedom), rel=1e-6)
    reach = student.ppf(0.95, freedom) * error
    assert procedure.interval(0.05) == pytest.approx((score - 0.8 - reach, score - 0.8 + reach))
    quantiles = student.ppf(0.8, freedom) + student.ppf(0.95, freedom)
    assert procedure.detectable_drop(0.05, 0.05) == pytest.approx(0.05 + quantiles * error)
    assert procedure.p_no_change() is None


def test_score_procedure__a_perfect_score_is_no_proof_of_a_perfect_arm() -> None:
    truth = np.arange(58) % 2
    perfect = Labelled(truth=truth, candidate=truth[:, None], reference=truth[:, None], codes=None)
    procedure = corpus_score_procedure(perfect, average="macro", required=0.95, seed=0)
    assert procedure.p_noninferior(0.0) == pytest.approx(0.95**58)
    assert procedure.p_regression(0.0) == 1.0
    assert procedure.detectable_drop(0.0, 0.05) is None
    assert procedure.interval(0.05) == pytest.approx((0.05 ** (1 / 58) - 0.95, 0.05))


def test_score_procedure__nothing_right_fails_as_surely_as_a_share_would() -> None:
    truth = np.arange(10) % 2
    wrong = Labelled(truth=truth, candidate=np.full((10, 1), NO_CLASS), reference=truth[:, None], codes=None)
    procedure = corpus_score_procedure(wrong, average="macro", required=0.3, seed=0)
    assert procedure.p_regression(0.0) == pytest.approx(0.7**10)
    assert procedure.p_noninferior(0.0) == 1.0


def test_score_procedure__a_rare_class_needs_more_cases() -> None:
    truth = np.repeat([0, 1], [195, 5])
    perfect = Labelled(truth=truth, candidate=truth[:, None], reference=truth[:, None], codes=None)
    macro, weighted = (
        corpus_score_procedure(perfect, average=average, required=0.95, seed=0).p_noninferior(0.0)
        for average in AVERAGES
    )
    assert weighted < 0.001
    assert macro > 0.05


def test_score_procedure__wrong_throughout_with_a_high_leverage_is_no_error() -> None:
    codes = np.repeat(np.arange(5), [60, 10, 10, 10, 10])
    wrong = replace(unchanged(100, codes=codes), candidate=np.full((100, 1), NO_CLASS))
    assert corpus_score_procedure(wrong, average="macro", required=0.5, seed=0).p_noninferior(0.0) == 1.0


@pytest.mark.parametrize(("average", "drop"), [("macro", 0.0), ("weighted", 0.2)])
def test_error_rates__stay_near_the_nominal_at_the_boundary(average: Average, drop: float) -> None:
    """Both arms right with probability 0.85, the candidate `drop` less often; wrong answers are no class."""
    rng, share = np.random.default_rng(11), np.array(SHARES)
    rounds, n, failed, passed = 200, 100, 0, 0
    recall = 0.85 * (1 - drop)
    # A class that is never answered wrongly has F1 = 2 * recall / (1 + recall).
    margin = 2 * 0.85 / 1.85 - 2 * recall / (1 + recall)
    for _ in range(rounds):
        truth = rng.choice(share.size, size=n, p=share)
        luck = rng.random(n)
        arms = [np.where(luck * 0.5 + rng.random(n) * 0.5 < at, truth, NO_CLASS) for at in quantiles(recall)]
        labels = Labelled(truth=truth, candidate=arms[0][:, None], reference=arms[1][:, None], codes=None)
        procedure = difference(labels, average=average)
        failed += procedure.p_regression(margin) <= 0.05
        passed += procedure.p_noninferior(margin) <= 0.05
    assert failed / rounds < 0.11
    assert passed / rounds < 0.11


def quantiles(recall: float) -> tuple[float, float]:
    """Where the mean of two uniform numbers is below with probability `recall`, and with probability 0.85."""

    def quantile(probability: float) -> float:
        return math.sqrt(probability / 2) if probability <= 0.5 else 1 - math.sqrt((1 - probability) / 2)

    return quantile(recall), quantile(0.85)
