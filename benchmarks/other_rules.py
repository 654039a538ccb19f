"""Section 2: every other proven rule, exact and simulated rows in one table each."""

from collections.abc import Iterable, Sequence

import exact_rules
import simulated_rules
from exact_rules import Row
from tables import GATE, Cell, Section, error_cells, markdown, percent, worst

HEAD = ("rule: setting", "n", "rounds", "false block", "false pass", "block: bad", "pass: good")
RIVAL_HEAD = ("rule: setting", "n", "t: false block", "t: false pass")
PER_CASE_T = "paired t"


def _line(row: Row) -> list[str]:
    rounds = "exact" if row.rounds is None else f"{row.rounds:,}"
    rates = map(percent, (row.false_block, row.false_pass, row.block_bad, row.pass_good))
    return [f"{row.rule}: {row.setting}", row.size, rounds, *rates]


def _cells(row: Row) -> list[Cell]:
    where = f"section 2, {row.rule}: {row.setting}, n = {row.size}"
    own = error_cells(GATE, (row.false_block, row.false_pass), rule=row.rule, where=where, rounds=row.rounds)
    return own + error_cells(PER_CASE_T, row.rival, rule=PER_CASE_T, where=where, rounds=row.rounds)


def _worst_lines(rows: Iterable[Row]) -> list[list[str]]:
    by_rule: dict[str, list[Cell]] = {}
    for row in rows:
        by_rule.setdefault(row.rule, []).extend(cell for cell in _cells(row) if cell.procedure == GATE)
    lines = []
    for rule, cells in by_rule.items():
        found = [worst(cells, error) for error in ("false block", "false pass")]
        said = [
            "-" if cell is None else f"{percent(cell.rate)} ({cell.where.partition(f'{rule}: ')[2]})" for cell in found
        ]
        lines.append([rule, *said])
    return lines


def exact_section() -> Section:
    """The rows that are sums over all outcomes."""
    return _section(_EXACT, list(exact_rules.rows()))


def simulated_section(rounds: int | None) -> Section:
    """The rows that are simulated."""
    return _section(_SIMULATED, [world.row(rounds or simulated_rules.ROUNDS) for world in simulated_rules.worlds()])


def _section(text: str, rows: Sequence[Row]) -> Section:
    table = markdown(HEAD, [_line(row) for row in rows])
    rivals = [row for row in rows if row.rival != (None, None)]
    rival_table = markdown(
        RIVAL_HEAD, [[f"{row.rule}: {row.setting}", row.size, *map(percent, row.rival)] for row in rivals]
    )
    worst_table = markdown(("rule", "largest false block (where)", "largest false pass (where)"), _worst_lines(rows))
    power = simulated_rules.POWER_ROUNDS
    return Section(
        text=text.format(table=table, rivals=rival_table, worst=worst_table, power=power),
        cells=tuple(cell for row in rows for cell in _cells(row)),
    )


_EXACT = """## 2a. The other rules, where outcomes can be listed (exact)

False block and false pass are taken at the boundary, the truth at which the limit is exactly met. "Bad" is 10 pp
beyond it; "good" is no change where that is within the limit, else 10 pp better than the boundary (for `max_flips` a
tenth of the tolerated rate). Exceptions, because the rule promises something else:

- `fail_null: zero` and `any` block on a drop proven to be over 0: their false block is one without any change, and
  at the margin they block more often, as asked for.
- `prompt_is_enough` without `must_prove` passes with a warning what is nearly as good: no false pass is promised.
  With `must_prove` it blocks what is not proven better: no false block is promised. Both arms have 50 % right.
- `max_shift` is at a shift up by exactly what is tolerated; down is the same by symmetry.
- `tradeoff`, edge: a task whose base is always wrong against a suite whose base is always right.

Per cent of runs.

{table}

The paired t-test against the margin on the same bounded scores (exact):

{rivals}

Worst cells:

{worst}
"""

_SIMULATED = """## 2b. The other rules, where outcomes cannot be listed (simulated)

The standard error of a rate of 5 % is 0.7 points at 1,000 rounds and 0.5 at 2,000; "bad" and "good" are from
{power} rounds. Truths as in 2a, with these worlds:

- relative: the base is right on 80 %; the true drop is 5 % of that, 4 pp.
- tradeoff: two suites, the base right on 80 % of the losing one; the task gains exactly what the other loses.
- F1-like: differences in tenths, symmetric around 0; half of the cases do not change; losses of 0.3 on top.
- 5 repeats: a case's chance of a right answer rises or falls by 15 pp, and by the margin on top.
- clusters: 10 cases each; the clusters' own differences are 35 pp up or down (intraclass correlation .27), or the
  base is always right and the losses are all in a few clusters. Good is no change, at margin 0 a gain of 10 pp.
- macro-F1: five classes of 45, 25, 15, 10 and 5 %; the base is right on 90, 80, 75, 70 and 60 % of them; the
  candidate has the same profile or another (80, 80, 75, 75, 75), scaled to the macro-F1 that is to be true. What it
  does beyond is approximate by nature: a jackknife, and the t-test of clusters that have to be shown to fail.

Per cent of runs.

{table}

The paired t-test of single cases against the margin, on the same data:

{rivals}

Worst cells:

{worst}
"""
