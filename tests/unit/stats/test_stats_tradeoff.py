from gate.stats.procedures import BinaryPairs
from gate.stats.tradeoff import Tradeoff

TASK = BinaryPairs(gains=12, losses=6, n=150)
SUITE = BinaryPairs(gains=2, losses=30, n=200)


def test_tradeoff__p_values_agree_with_the_interval() -> None:
    tests = Tradeoff(task=TASK, suite=SUITE, scale=0.8)
    low, high = tests.interval(0.05)
    assert tests.p_regression(-(high + 0.005)) < 0.05 < tests.p_regression(-(high - 0.005))
    assert tests.p_noninferior(-(low - 0.005)) < 0.05 < tests.p_noninferior(-(low + 0.005))


def test_tradeoff__unchanged_suites_never_fail() -> None:
    unchanged = BinaryPairs(gains=0, losses=0, n=100)
    tests = Tradeoff(task=unchanged, suite=unchanged, scale=0.9)
    assert tests.p_regression(0.0) == 1.0
    assert tests.p_noninferior(0.0) == 1.0
    assert tests.clusters is None
    assert tests.method.count("exact unconditional") == 2


def test_tradeoff__collapse_for_nothing_fails() -> None:
    tests = Tradeoff(
        task=BinaryPairs(gains=3, losses=3, n=100), suite=BinaryPairs(gains=0, losses=60, n=100), scale=1.0
    )
    assert tests.p_regression(0.0) < 1e-6
