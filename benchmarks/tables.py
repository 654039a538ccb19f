"""Rates, the cells they belong to, and how they are written. Computes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

GATE = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One error rate of one procedure in one world."""

    procedure: str
    error: Literal["false block", "false pass"]
    rate: float
    standard_error: float
    """Of the simulation; 0 where the rate is exact."""
    where: str
    """Section and setting, in words."""
    rule: str

    @property
    def exceeds(self) -> bool:
        """Whether the rate is above 5 % by more than the simulation explains."""
        return self.rate > 0.05 + 3 * self.standard_error + 5e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the document with the error rates that it reports."""

    text: str
    cells: tuple[Cell, ...]


def percent(rate: float | None) -> str:
    """A rate in per cent with one decimal; a dash where there is none."""
    return "-" if rate is None else f"{100 * rate + 1e-9:.1f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, all columns but the first aligned to the right."""
    rule = [":--", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def worst(cells: Sequence[Cell], error: str) -> Cell | None:
    """The cell with the highest rate of one kind; the first of several; None if there is none."""
    mine = [cell for cell in cells if cell.error == error]
    return max(mine, key=lambda cell: cell.rate) if mine else None


def error_cells(
    procedure: str, rates: tuple[float | None, float | None], *, rule: str, where: str, rounds: int | None = None
) -> list[Cell]:
    """The cells of a false block and a false pass rate; none for a rate that a procedure does not promise.

    Args:
        procedure: Whose rates.
        rates: False blocks, false passes.
        rule: The rule in whose world they were had.
        where: Section and setting.
        rounds: Simulated runs; None where the rates are exact.
    """
    errors: tuple[Literal["false block", "false pass"], ...] = ("false block", "false pass")
    return [
        Cell(
            procedure=procedure,
            error=error,
            rate=rate,
            # At the level that is promised: a rate of 0 seen must not count as free of any error.
            standard_error=0.0 if rounds is None else (0.05 * 0.95 / rounds) ** 0.5,
            where=where,
            rule=rule,
        )
        for error, rate in zip(errors, rates, strict=True)
        if rate is not None
    ]
