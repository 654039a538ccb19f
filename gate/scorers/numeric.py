r"""The `numeric` scorer: finds the last number in a text and compares it exactly.

Numbers are kept as fractions, so 0.1 and 0.10 are equal and a tolerance of 0.1 includes its end. Knows only text.
"""

import re
import unicodedata
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gate.domain import Case
from gate.scorers.base import Reading, Scorer
from gate.scorers.text import quoted, quoted_list

LONGEST_NUMBER_CHARS = 400
"""A longer run of digits is not read: no task has one, and arithmetic on it takes time."""
LARGEST_EXPONENT = 400
"""Powers of ten beyond this are not read, for the same reason."""

_CURRENCY = r"(?:[$€£¥₹₽₩₺]|\b(?:USD|EUR|GBP|CHF|JPY|INR|CNY)\b\s?|\b(?:USD|EUR|GBP|CHF|JPY|INR|CNY)(?=[0-9]))"
_NUMBER = re.compile(
    rf"""
    (?:
      (?: (?<![\w)\]}}]) (?P<sign>[-+]) )?           # 3-4 is a range and (3)-4 a difference: no sign there
      (?: {_CURRENCY} \s? (?P<late_sign>[-+])? )?    # -$5 and $-5
      (?P<date> (?<=/) | (?<=/\s) )?                  # the 4 of 3/4/2026 begins no fraction
      (?P<body> [0-9]++ (?:[.,'\u2019\u00a0\u2009\u202f][0-9]++)*+ | (?<![0-9])\.[0-9]++ )
      (?P<power> [eE](?P<e>[-+]?[0-9]++) | \s?(?:[x\u00d7*\u00b7]|\\times|\\cdot)\s?10\^\{{?(?P<ten>[-+]?[0-9]++)\}}? )?
      (?: (?(date)(?!)) \s?/\s? (?P<below>[0-9]++) (?!\s?/) )?
    )
    | (?<![A-Za-z_]) (?P<word>[A-Za-z_]++[0-9][\w.]*+)    # CO2 and Q3 are names, not numbers
    """,
    re.VERBOSE,
)
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{\s?([0-9]{1,400})\s?\}\{\s?([0-9]{1,400})\s?\}")
_GROUP = r"['\u2019\u00a0\u2009\u202f]"
_WITH_POINT = re.compile(rf"[0-9]{{1,3}}(?:(?:,|{_GROUP})[0-9]{{3}})+(?:\.[0-9]+)?|[0-9]*\.?[0-9]+")
_WITH_COMMA = re.compile(rf"[0-9]{{1,3}}(?:(?:\.|{_GROUP})[0-9]{{3}})+(?:,[0-9]+)?|[0-9]+(?:,[0-9]+)?")
_ASCII_MARKS = {ord("\u2212"): "-", ord("\u066b"): ".", ord("\u066c"): ",", ord("\u066a"): "%"}

DecimalMark = Literal["auto", "point", "comma"]
Tolerance = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


class Numeric(Scorer):
    r"""Right if the last number in the answer equals any of the case's references, within a tolerance.

    Currency signs and `%` are left aside: `$50`, `50 %` and `50` are the same number. Fractions (`3/4`,
    `\frac{3}{4}`), powers of ten (`1.5e-3`, `3 x 10^8`), a sign directly before the number and digits of other scripts
    are read; mixed numbers such as `1 1/2` are not. A comma followed by groups of three digits separates thousands
    (`1,234` is 1234); otherwise a number that makes no sense with a decimal point is read with a decimal comma
    (`3,14` and `1.234,5`). `decimal_mark` removes the doubt.
    """

    binary: ClassVar[bool] = True

    kind: Literal["numeric"] = "numeric"
    abs_tolerance: Tolerance = 0.0
    """Largest difference that still counts as equal, in the unit of the number."""
    rel_tolerance: Tolerance = 0.0
    """The same as a fraction of the reference; the larger of the two holds."""
    decimal_mark: DecimalMark = "auto"
    """How the answers and the references write decimals."""

    def read(self, case: Case, text: str) -> Reading:
        """Find the last number and compare it with each reference."""
        match last_number(text, decimal_mark=self.decimal_mark):
            case None:
                return Reading(value=0.0, why=f"there is no readable number at the end of {quoted(text)}", invalid=True)
            case (found, value):
                references = [reference_number(item, decimal_mark=self.decimal_mark) for item in case.references]
                if any(self._close(value, reference) for reference in references if reference is not None):
                    return Reading(value=1.0, why=f"{quoted(found)} equals the reference")
                return Reading(value=0.0, why=f"{quoted(found)} is not {quoted_list(case.references)}")

    def problem(self, case: Case) -> str | None:
        """A case needs references, each of them one number."""
        if not case.references:
            return "has no reference"
        for reference in case.references:
            if reference_number(reference, decimal_mark=self.decimal_mark) is None:
                return f"has the reference {quoted(reference)}, which is not a number"
        return None

    def _close(self, value: Fraction, reference: Fraction) -> bool:
        # The decimal form of a float is what the user wrote: 0.1 is meant to be a tenth.
        allowed = max(Fraction(repr(self.abs_tolerance)), Fraction(repr(self.rel_tolerance)) * abs(reference))
        return abs(value - reference) <= allowed


def last_number(text: str, *, decimal_mark: DecimalMark = "auto") -> tuple[str, Fraction] | None:
    """Find the last number in a text.

    Returns:
        The piece of text and its value; None if there is no number, or if the last one cannot be read (it is too
        long, its exponent too large, or it divides by zero).
    """
    numbers = [match for match in _NUMBER.finditer(_ascii(text)) if match["body"]]
    if not numbers:
        return None
    value = _value(numbers[-1], decimal_mark)
    return None if value is None else (numbers[-1][0].strip(), value)


def reference_number(text: str, *, decimal_mark: DecimalMark = "auto") -> Fraction | None:
    """Read a text that must be one number and nothing else but a currency sign or `%`; None if it is not."""
    text = _ascii(text).strip()
    numbers = [match for match in _NUMBER.finditer(text) if match["body"]]
    if len(numbers) != 1 or not _single(numbers[0], decimal_mark):
        return None
    rest = text[: numbers[0].start()] + text[numbers[0].end() :]
    return _value(numbers[0], decimal_mark) if re.fullmatch(rf"(?:\s|%|{_CURRENCY})*", rest) else None


def _ascii(text: str) -> str:
    """Write the digits, minus signs and marks of other scripts in ASCII, LaTeX fractions with a slash."""
    if not text.isascii():
        digits = (unicodedata.decimal(char, None) for char in text)
        text = "".join(char if digit is None else str(digit) for char, digit in zip(text, digits, strict=True))
        text = text.translate(_ASCII_MARKS)
    return _LATEX_FRACTION.sub(r"\1/\2", text)


def _single(number: re.Match[str], mark: DecimalMark) -> bool:
    return any(form.fullmatch(number["body"]) for form in _forms(mark))


def _forms(mark: DecimalMark) -> tuple[re.Pattern[str], ...]:
    match mark:
        case "point":
            return (_WITH_POINT,)
        case "comma":
            return (_WITH_COMMA,)
        case "auto":
            return (_WITH_POINT, _WITH_COMMA)


def _value(number: re.Match[str], mark: DecimalMark) -> Fraction | None:
    power = number["e"] or number["ten"] or "0"
    below = number["below"] or "1"
    if (
        max(len(number["body"]), len(below)) > LONGEST_NUMBER_CHARS
        or len(power) > 5
        or abs(int(power)) > LARGEST_EXPONENT
    ):
        return None
    if int(below) == 0:
        return None
    magnitude = _magnitude(number["body"], mark) * Fraction(10) ** int(power) / int(below)
    return -magnitude if "-" in (number["sign"], number["late_sign"]) else magnitude


def _magnitude(body: str, mark: DecimalMark) -> Fraction:
    for form in _forms(mark):
        if form.fullmatch(body):
            point = "." if form is _WITH_POINT else ","
            return Fraction(re.sub(rf"[^0-9{point}]", "", body).replace(",", "."))
    # Not one number but a list such as 1,2,3 or a version such as 1.2.3: its last member.
    return Fraction(re.findall(r"[0-9]+", body)[-1])
