import pytest
from scipy.stats import binomtest

from gate.stats import proportion


@pytest.mark.parametrize(("successes", "n", "threshold"), [(45, 60, 0.8), (0, 10, 0.3), (10, 10, 0.9), (3, 9, 0.0)])
def test_p_above_and_below__equal_the_binomial_test(successes: int, n: int, threshold: float) -> None:
    above = proportion.p_above(successes, n, threshold=threshold)
    below = proportion.p_below(successes, n, threshold=threshold)
    assert above == pytest.approx(binomtest(successes, n, threshold, alternative="greater").pvalue)
    assert below == pytest.approx(binomtest(successes, n, threshold, alternative="less").pvalue)


def test_p_above_and_below__thresholds_outside_the_scale() -> None:
    assert proportion.p_above(0, 5, threshold=-0.1) == 1.0
    assert proportion.p_below(5, 5, threshold=1.2) == 1.0
    assert proportion.p_below(4, 5, threshold=1.2) == 0.0


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (12, 12), (5, 12)])
def test_interval__equals_scipy(successes: int, n: int) -> None:
    expected = binomtest(successes, n).proportion_ci(0.9, method="exact")
    assert proportion.interval(successes, n, alpha=0.05) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 4), (5, 4)])
def test_interval__counts_that_do_not_fit(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        proportion.interval(successes, n, alpha=0.05)
