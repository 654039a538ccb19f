"""Amounts that carry their unit: `2pp` is percentage points of the score, `5%` is relative to the reference arm.

A bare number is refused: whether 5 means points, per cent or a fraction is exactly what must not be guessed.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gate import wording

_AMOUNT = re.compile(r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?) ?(?P<unit>pp|%)")
_SHARE = re.compile(r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


@dataclass(frozen=True, slots=True)
class Amount:
    """A difference of scores that a rule tolerates or demands."""

    value: float
    """Fraction in [0, 1]: 0.02 for `2pp` and for `2%`."""
    unit: Literal["pp", "%"]

    @property
    def relative(self) -> bool:
        """Whether the amount is relative to the reference arm's mean."""
        return self.unit == "%"

    def __str__(self) -> str:
        """Write the amount as in a report: `2 pp`, `5 %`."""
        return f"{wording.amount(self.value)} {self.unit}"


def parse_amount(given: object) -> Amount:
    """Read `2pp` or `5%`.

    Raises:
        ValueError: If the unit is missing or the amount is out of range.
    """
    if isinstance(given, Amount):
        return given
    match = _AMOUNT.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None and isinstance(given, str) and given.strip().endswith(("pp", "%")):
        raise ValueError(f"{given!r:.40} is no amount: a number from 0 to 100 with at most six decimals and its unit")
    if match is None:
        hint = f", for example {given}pp" if isinstance(given, int | float) and not isinstance(given, bool) else ""
        raise ValueError(f"an amount needs its unit{hint}: '2pp' is percentage points, '5%' is relative to the base")
    value = round(float(match["number"]) / 100, 12)
    if value > 1:
        raise ValueError(f"{given} is more than 100")
    return Amount(value, "pp" if match["unit"] == "pp" else "%")


def parse_share(given: object) -> float:
    """Read `80%` as 0.8.

    Raises:
        ValueError: If it is not a number from 0 to 100 with a per cent sign.
    """
    match = _SHARE.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None and isinstance(given, str) and given.strip().endswith("%"):
        raise ValueError(f"{given!r:.40} is no share: a number from 0 to 100 with at most six decimals and %")
    if match is None:
        raise ValueError("a share is written with its per cent sign, for example '80%'")
    value = round(float(match["number"]) / 100, 12)
    if value > 1:
        raise ValueError(f"{given} is more than 100%")
    return value


def parse_points(given: object) -> Amount:
    """Read an amount that must be in percentage points.

    Raises:
        ValueError: If the unit is missing or is `%`.
    """
    parsed = parse_amount(given)
    if parsed.relative:
        raise ValueError(f"only percentage points make sense here: write '{wording.amount(parsed.value)}pp'")
    return parsed


_AMOUNT_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})? ?(pp|%)$", "examples": ["2pp", "5%"]}
)

AmountField = Annotated[Amount, BeforeValidator(parse_amount), PlainSerializer(str), _AMOUNT_SCHEMA]
PointsField = Annotated[
    Amount,
    BeforeValidator(parse_points),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})? ?pp$", "examples": ["3pp"]}),
]
ShareField = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(lambda share: f"{wording.amount(share)}%"),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})? ?%$", "examples": ["80%"]}),
]
