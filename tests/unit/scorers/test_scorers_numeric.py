"""The numeric scorer: which number is read, how, and when it equals the reference."""

from fractions import Fraction

import pytest
from pydantic import ValidationError

from gate.domain import Case, Message
from gate.scorers import Numeric
from gate.scorers.numeric import DecimalMark, last_number, reference_number


def case(*references: str) -> Case:
    return Case(id="1", messages=(Message(role="user", content="q"),), references=references)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", "42"),
        ("1 + 2 = 3", "3"),
        ("#### 1,234", "1234"),
        ("1,234,567.89", "1234567.89"),
        ("1.234.567,89", "1234567.89"),
        ("1'234.5", "1234.5"),
        ("1\u202f234", "1234"),
        ("3,14", "3.14"),
        ("3.14", "3.14"),
        ("1.234", "1.234"),
        (".5", "0.5"),
        ("-7", "-7"),
        ("\u22127", "-7"),
        ("$-5", "-5"),
        ("-$5", "-5"),
        ("USD100", "100"),
        ("EUR 1,50", "1.5"),
        ("50 %", "50"),
        ("3/4", "3/4"),
        ("3 / 4 of it", "3/4"),
        (r"\boxed{\frac{3}{4}}", "3/4"),
        (r"$\boxed{-12}$", "-12"),
        ("1.5e-3", "0.0015"),
        ("3 \u00d7 10^8", "300000000"),
        (r"3 \times 10^{-2}", "0.03"),
        ("between 10-20", "20"),
        ("2026-11-20", "20"),
        ("3/4/2026", "2026"),
        ("1,2,3", "3"),
        ("version 1.2.3", "3"),
        ("40 kg of CO2", "40"),
        ("12 in Q3", "12"),
        ("5kg", "5"),
        ("\u0663\u066b\u0665", "3.5"),
        ("共5个", "5"),
        ("10\u2078", "10"),
        ("007", "7"),
    ],
)
def test_last_number__forms(text: str, number: str) -> None:
    found = last_number(text)
    assert found is not None
    assert found[1] == Fraction(number)


@pytest.mark.parametrize("text", ["none", "CO2", "1/0", "9" * 401, "1e401", "1e-99999", "1e" + "9" * 5000, "²"])
def test_last_number__what_cannot_be_read(text: str) -> None:
    assert last_number(text) is None


@pytest.mark.parametrize(("mark", "number"), [("auto", "1234"), ("point", "1234"), ("comma", "1.234")])
def test_last_number__decimal_mark_removes_the_doubt(mark: DecimalMark, number: str) -> None:
    assert last_number("1,234", decimal_mark=mark) == ("1,234", Fraction(number))


@pytest.mark.parametrize(
    ("tolerances", "answer", "expected"),
    [
        ({}, "0.10", 1.0),
        ({}, "0.1001", 0.0),
        ({"abs_tolerance": 0.1}, "0.2", 1.0),
        ({"abs_tolerance": 0.1}, "0.2000001", 0.0),
        ({"rel_tolerance": 0.1}, "0.09", 1.0),
        ({"rel_tolerance": 0.1}, "0.0899", 0.0),
        ({"rel_tolerance": 0.1}, "-2000", 1.0),
        ({"rel_tolerance": 0.1, "abs_tolerance": 1}, "1.1", 1.0),
    ],
)
def test_numeric__tolerance_includes_its_end(tolerances: dict[str, float], answer: str, expected: float) -> None:
    assert Numeric.model_validate(tolerances).score(case("0.1", "-1900"), answer).value == expected


def test_numeric__no_number_is_invalid_and_a_wrong_one_is_not() -> None:
    assert Numeric().score(case("1"), "one").invalid
    wrong = Numeric().score(case("1"), "it is $2.")
    assert (wrong.value, wrong.invalid, wrong.why) == (0.0, False, "'$2' is not '1'")


@pytest.mark.parametrize("reference", ["42", " -3.5 ", "$1,234.00", "50%", "3/4", "1e3", "12 €"])
def test_reference_number__one_number(reference: str) -> None:
    assert reference_number(reference) is not None
    assert Numeric().problem(case(reference)) is None


@pytest.mark.parametrize("reference", ["x", "1 2", "12 apples", "1,2,3", "1/0", "1e999"])
def test_reference_number__anything_else_is_a_problem(reference: str) -> None:
    assert Numeric().problem(case("1", reference)) == f"has the reference '{reference}', which is not a number"


def test_numeric__needs_a_reference() -> None:
    assert Numeric().problem(case()) == "has no reference"


@pytest.mark.parametrize("tolerance", [-1, float("inf"), float("nan"), "0.1", True])
def test_numeric__refuses_a_senseless_tolerance(tolerance: object) -> None:
    with pytest.raises(ValidationError):
        Numeric.model_validate({"abs_tolerance": tolerance})
