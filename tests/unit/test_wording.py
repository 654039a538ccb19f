import pytest

from gate import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1143, "+11.4 pp"), (-0.446, "-44.6 pp"), (0.0, "0.0 pp"), (-0.0001, "0.0 pp"), (1.0, "+100.0 pp")],
)
def test_points__has_a_sign_unless_it_rounds_to_zero(value: float, text: str) -> None:
    assert wording.points(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.8125, "81.2 %"), (0.0, "0.0 %"), (-0.0, "0.0 %"), (1.0, "100.0 %")])
def test_percent__has_no_sign(value: float, text: str) -> None:
    assert wording.percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.05, "5"), (0.025, "2.5"), (0.0, "0"), (0.07, "7"), (0.29, "29")])
def test_amount__has_no_padding_zeros(value: float, text: str) -> None:
    assert wording.amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.13262, "0.13"), (0.00421, "0.0042"), (1e-12, "< 1e-9"), (0.0, "< 1e-9"), (1.0, "1"), (0.999, "1")],
)
def test_p_value__is_a_bound_where_tiny(value: float, text: str) -> None:
    assert wording.p_value(value) == text


def test_listing__reads_as_a_sentence() -> None:
    assert wording.listing([]) == ""
    assert wording.listing(["a"]) == "a"
    assert wording.listing(["a", "b"]) == "a and b"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"


def test_count__knows_one_from_many() -> None:
    assert wording.count(1, "case") == "1 case"
    assert wording.count(0, "case") == "0 cases"
    assert wording.count(12345, "case") == "12,345 cases"
