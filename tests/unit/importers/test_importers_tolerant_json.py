import pytest

from gate.importers.tolerant_json import compact, digest, number_of, parse


def test_compact__is_the_same_whatever_the_order_and_the_address():
    one = {"b": "<function f at 0x7f0012ab>", "a": 1}
    other = {"a": 1, "b": "<function f at 0x7fffffff>"}
    assert compact(one) == compact(other) == '{"a": 1, "b": "<function f>"}'
    assert digest(one) == digest(other) != digest({"a": 2})


def test_compact__too_deep_a_nest_is_refused():
    nest = []
    for _ in range(100_000):
        nest = [nest]
    with pytest.raises(ValueError, match="nested too deeply"):
        compact(nest)


@pytest.mark.parametrize(
    ("value", "number"),
    [(True, 1.0), (0, 0.0), (0.5, 0.5), (10**400, None), (float("inf"), None), ("1", None), (None, None)],
)
def test_number_of__finite_numbers_only(value, number):
    assert number_of(value) == number


def test_parse__what_python_writes_for_no_number_is_unknown():
    assert parse('[NaN, Infinity, -Infinity, "NaN"]') == [None, None, None, "NaN"]
