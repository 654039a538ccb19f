import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.api import OLS

from gate.stats.clustered import Clustered, ClusterSums, cr1_standard_error, cr2
from gate.stats.sign_flip import sign_flip_drop

BOUNDS = (-1.0, 1.0)


def unequal_clusters(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(14), rng.integers(1, 9, 14))
    return rng.uniform(-0.6, 0.4, codes.size), codes


def test_cr1_standard_error__equals_statsmodels() -> None:
    values, codes = unequal_clusters()
    fit = OLS(values, np.ones_like(values)).fit(cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True})
    clusters, cases = 14, values.size
    # statsmodels also multiplies by (N - 1) / (N - k), which is 1 for a mean.
    assert cases > clusters
    assert cr1_standard_error(ClusterSums.of(values, codes)) == pytest.approx(float(fit.bse[0]), rel=1e-9)


def test_cr2__equals_the_matrix_definition() -> None:
    values, codes = unequal_clusters(1)
    cases = values.size
    ones, residuals = np.ones(cases), values - values.mean()
    hat = np.outer(ones, ones) / cases
    scores, rows = [], []
    for code in np.unique(codes):
        inside = codes == code
        block = np.eye(int(inside.sum())) - hat[np.ix_(inside, inside)]
        eigenvalues, vectors = np.linalg.eigh(block)
        adjust = vectors @ np.diag(eigenvalues**-0.5) @ vectors.T
        scores.append(float(ones[inside] @ adjust @ residuals[inside]) / cases)
        rows.append((np.eye(cases) - hat)[:, inside] @ adjust @ ones[inside] / cases)
    gram = np.array(rows) @ np.array(rows).T
    found = cr2(ClusterSums.of(values, codes))
    assert found is not None
    assert found[0] == pytest.approx(math.sqrt(sum(score**2 for score in scores)), rel=1e-9)
    assert found[1] == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram), rel=1e-9)


def test_cr2__equal_sizes_have_one_degree_less_than_clusters() -> None:
    found = cr2(ClusterSums.of(np.random.default_rng(0).normal(0, 0.1, 60), np.repeat(np.arange(12), 5)))
    assert found is not None
    assert found[1] == pytest.approx(11)


def test_clustered__one_cluster_proves_nothing() -> None:
    values = np.full(20, -0.5)
    tests = Clustered.of(values, np.zeros(20, dtype=np.int64), bounds=BOUNDS, seed=0)
    assert cr1_standard_error(tests.sums) is None
    assert tests.p_regression(0.0) == 1.0
    assert tests.p_noninferior(0.0) == 1.0
    assert tests.interval(0.05) == BOUNDS


def test_clustered__fail_takes_the_larger_p() -> None:
    values, codes = unequal_clusters(2)
    tests = Clustered.of(values, codes, bounds=BOUNDS, seed=0)
    fit = cr2(tests.sums)
    assert fit is not None
    t_p = float(student.cdf((values.mean() + 0.02) / fit[0], fit[1]))
    flip_p = sign_flip_drop(tests.sums.totals + 0.02 * tests.sums.sizes, seed=0)
    assert tests.p_regression(0.02) == pytest.approx(max(t_p, flip_p))


def test_clustered__identical_arms_never_fail_and_keep_a_wide_interval() -> None:
    tests = Clustered.of(np.zeros(60), np.repeat(np.arange(15), 4), bounds=BOUNDS, seed=0)
    for margin in (0.0, 0.02):
        assert tests.p_regression(margin) == 1.0
        assert tests.p_noninferior(margin) > 0.5
    low, high = tests.interval(0.05)
    assert low < -0.1
    assert high > 0.1


def test_clustered__the_same_drop_everywhere_is_decided_by_the_sign_flip() -> None:
    tests = Clustered.of(np.full(48, -0.25), np.repeat(np.arange(12), 4), bounds=BOUNDS, seed=0)
    assert tests.p_regression(0.02) == pytest.approx(2.0**-12)
    assert tests.p_regression(0.25) == 1.0


def test_clustered__rare_bad_clusters_do_not_pass() -> None:
    # One cluster in twelve lost 30 % of its cases: what a t-test calls harmless at 5 pp.
    values = np.zeros(120)
    values[:3] = -1.0
    tests = Clustered.of(values, np.repeat(np.arange(12), 10), bounds=BOUNDS, seed=0)
    assert tests.p_noninferior(0.05) > 0.3


def test_clustered__interval_stays_within_the_bounds() -> None:
    tests = Clustered.of(np.array([-1.0, 1.0, -1.0]), np.arange(3), bounds=BOUNDS, seed=0)
    assert tests.interval(0.05) == BOUNDS


def test_clustered__order_and_names_are_irrelevant() -> None:
    values, codes = unequal_clusters(3)
    shuffle = np.random.default_rng(9).permutation(values.size)
    ours = Clustered.of(values, codes, bounds=BOUNDS, seed=0)
    theirs = Clustered.of(values[shuffle], 100 - codes[shuffle], bounds=BOUNDS, seed=0)
    assert ours.p_regression(0.02) == theirs.p_regression(0.02)
    assert ours.p_noninferior(0.02) == theirs.p_noninferior(0.02)
    assert ours.interval(0.05) == theirs.interval(0.05)


def test_cluster_sums__needs_a_code_per_case() -> None:
    with pytest.raises(ValueError, match="one cluster code per case"):
        ClusterSums.of(np.zeros(3), np.zeros(2, dtype=np.int64))
