import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from gate.stats.multiplicity import holm


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=25))
def test_holm__equals_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm__an_errored_rule_still_counts() -> None:
    assert holm([0.02, None]) == pytest.approx((0.04, 1.0))


def test_holm__nothing_declared() -> None:
    assert holm([]) == ()


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_holm__refuses_what_is_no_p_value(p: float) -> None:
    with pytest.raises(ValueError, match="p-value"):
        holm([0.5, p])
