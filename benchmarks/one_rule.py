"""Section 1: `max_drop` in points on one right-or-wrong suite, beside what others do. Every rate is exact.

The probabilities of all tables are summed over what is decided about each. Nothing is drawn.
"""

from functools import cache

from outcomes import Decisions, of_pairs, regions
from rivals import RIVALS, Tables
from tables import GATE, Cell, Section, error_cells, markdown, percent
from truths import Flips, most_flips, share

from gate.rules import Amount, MaxDrop

SIZES = (30, 50, 100, 150, 300, 500)
MARGINS = (0.0, 0.02, 0.05)
CHURNS = (0.0, 0.02, 0.10, 0.40)
BEYOND = (0.05, 0.10, 0.20)

GATE_HEAD = (
    "n, margin, flips",
    "block: no change",
    "block: at margin",
    *(f"block: {round(100 * drop)} pp beyond" for drop in BEYOND),
    "pass: no change",
    "pass: at margin",
    "pass: 5 pp beyond",
)
RIVAL_HEAD = ("n, margin, flips", *(f"{name}: false {error}" for name in RIVALS for error in ("block", "pass")))


def truth_of(churn: float, drop: float) -> Flips:
    """A true drop on top of the churn."""
    return Flips.of(churn, -drop)


@cache
def _most(n: int) -> tuple[int, int]:
    drops = [margin + beyond for margin in MARGINS for beyond in BEYOND]
    return most_flips([truth_of(churn, drop) for churn in CHURNS for drop in drops], n)


@cache
def gate_decisions(n: int, margin: float) -> Decisions:
    """What the gate decides about every table of n pairs."""
    rule = MaxDrop(drop=Amount(margin, "pp"))
    return regions(lambda gains, losses: of_pairs(rule, gains, losses, n), n, most=_most(n))


@cache
def rival_decisions(name: str, n: int, margin: float) -> Decisions:
    """What a rival decides about every table of n pairs."""
    return RIVALS[name](Tables.up_to(n, _most(n)), margin)


def setting(n: int, margin: float, churn: float) -> str:
    """The first column of a row."""
    return f"{n}, {round(100 * margin)} pp, {f'{round(100 * churn)} %' if churn else 'edge'}"


def gate_rates(n: int, margin: float, churn: float) -> tuple[float, ...]:
    """The rates of one row of the gate's table, in the order of its columns."""
    made = gate_decisions(n, margin)
    block_at, pass_at = (0.0, margin, *(margin + beyond for beyond in BEYOND)), (0.0, margin, margin + BEYOND[0])
    return (
        *(share(made.blocked, truth_of(churn, drop), n) for drop in block_at),
        *(share(made.passed, truth_of(churn, drop), n) for drop in pass_at),
    )


def error_rates(made: Decisions, n: int, margin: float, churn: float) -> tuple[float, float]:
    """The larger false block without a change or at the margin, and the larger false pass at or beyond the margin."""
    blocked = max(share(made.blocked, truth_of(churn, drop), n) for drop in (0.0, margin))
    beyond = (margin, *(margin + more for more in BEYOND))
    return blocked, max(share(made.passed, truth_of(churn, drop), n) for drop in beyond)


def rival_rates(n: int, margin: float, churn: float) -> tuple[float, ...]:
    """The rates of one row of the rivals' table, in the order of its columns."""
    return tuple(rate for name in RIVALS for rate in error_rates(rival_decisions(name, n, margin), n, margin, churn))


def rows() -> list[tuple[int, float, float]]:
    """Cases, margin and churn of every row."""
    return [(n, margin, churn) for n in SIZES for margin in MARGINS for churn in CHURNS]


def section() -> Section:
    """Both tables."""
    cells: list[Cell] = []
    for n, margin, churn in rows():
        where = f"section 1, n = {setting(n, margin, churn)}"
        everyone = {GATE: gate_decisions(n, margin)} | {name: rival_decisions(name, n, margin) for name in RIVALS}
        for name, made in everyone.items():
            blocked, passed = error_rates(made, n, margin, churn)
            rule = "max_drop" if name == GATE else name
            cells += error_cells(name, (blocked, passed), rule=rule, where=where)
    gate_rows = [[setting(*row), *map(percent, gate_rates(*row))] for row in rows()]
    rival_rows = [[setting(*row), *map(percent, rival_rates(*row))] for row in rows()]
    text = _TEXT.format(gate=markdown(GATE_HEAD, gate_rows), rivals=markdown(RIVAL_HEAD, rival_rows))
    return Section(text=text, cells=tuple(cells))


_TEXT = """## 1. One `max_drop` rule, one right-or-wrong suite (exact)

The number of gains and losses among n independent cases is trinomial. `flips` is the share of cases that flip when
nothing changed; "edge" is a base that is right on every case and a candidate that only loses. "At margin" is a true
drop equal to the margin, where both errors are largest; "beyond" adds to it. With a margin of 0 "no change" is "at
margin". A false block is a block without a change or at the margin; a false pass is a pass at or beyond the margin.
Every rate is a sum of trinomial probabilities over all tables that the gate blocks or passes.

### The gate

Per cent of runs.

{gate}

### What others do

False blocks and false passes in the same worlds, per cent, the worse of the truths that count. Paired t: against the
margin in both directions; without spread the mean decides. McNemar: the exact conditional test, blocks at p <= .05
and passes otherwise. Percentile bootstrap: the 90 % interval against the margin (the resampling distribution is
computed, not drawn). Point threshold: blocks when the observed drop is larger than the margin, else passes.

{rivals}
"""
