import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from gate.stats.distribution import length_change


def test_length_change__is_the_paired_t_on_logs() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(5, 80, 40).astype(float), rng.integers(5, 120, 40).astype(float)
    found = length_change(ours, theirs, alpha=0.05)
    expected = ttest_rel(np.log(ours), np.log(theirs)).confidence_interval(0.9)
    assert (found.n, found.mean_candidate, found.mean_reference) == (40, ours.mean(), theirs.mean())
    assert found.low is not None
    assert found.high is not None
    assert found.change is not None
    assert math.log1p(found.low) == pytest.approx(expected.low)
    assert math.log1p(found.high) == pytest.approx(expected.high)
    assert found.low < found.change < found.high


def test_length_change__half_as_long_everywhere() -> None:
    found = length_change([5, 10, 20], [10, 20, 40], alpha=0.05)
    assert (found.low, found.change, found.high) == pytest.approx((-0.5, -0.5, -0.5))


def test_length_change__an_empty_answer_counts_as_half_a_token() -> None:
    assert length_change([0, 0], [4, 4], alpha=0.05).change == pytest.approx(-0.875)


def test_length_change__too_few_pairs() -> None:
    none = length_change([], [], alpha=0.05)
    assert (none.n, none.change, none.low, none.high) == (0, None, None, None)
    one = length_change([6], [3], alpha=0.05)
    assert (one.n, one.change, one.low, one.high) == (1, pytest.approx(1.0), None, None)


def test_length_change__an_end_beyond_all_numbers_is_unknown() -> None:
    found = length_change([1, 1e9], [1e9, 1], alpha=0.0001)
    assert found.low == pytest.approx(-1.0)
    assert found.high is None


@pytest.mark.parametrize(
    ("ours", "theirs", "message"), [([1], [1, 2], "paired"), ([-1], [1], "finite"), ([1], [math.nan], "finite")]
)
def test_length_change__refuses_bad_lengths(ours: list[float], theirs: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        length_change(ours, theirs, alpha=0.05)
