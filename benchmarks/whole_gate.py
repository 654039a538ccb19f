"""Section 3: the whole gate. Rules, Holm, verdict: how often a run is blocked, passed or left open, by simulation.

Suites are independent and right-or-wrong; the base's share of right answers, by which the trade-off divides a loss,
is held at 80 %. A trade-off is always taken to pass: shares of passed runs are upper bounds, and few trade-offs have
to be tested in full.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from one_rule import gate_decisions
from outcomes import ALPHA, RememberedPairs, Seen, comparison, facts, tradeoff_p_regression
from tables import GATE, Cell, Section, error_cells, markdown, percent
from truths import Flips

from gate.domain import Comparison, Hypothesis, Role, VerdictOutcome
from gate.rules import Amount, MaxDrop, MinGain, Tradeoff
from gate.rules.base import Scope
from gate.rules.decide import Declared, decide
from gate.rules.verdict import combine

ROUNDS = 2_000
POWER_ROUNDS = 500
RULE_COUNTS = (1, 2, 5, 10, 20)
BASE_RIGHT = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A suite with its own rule: `max_drop`, or `min_gain: 0pp` for a task."""

    name: str
    n: int
    churn: float
    role: Role = "regression"
    margin: float = 0.0


TASK = Place(name="task", role="task", n=150, churn=0.10)
_REGRESSION = ((300, 0.10, 0.05), (500, 0.02, 0.02), (100, 0.02, 0.05), (300, 0.02, 0.02), (150, 0.10, 0.05))
"""Cases, churn and margin, in turn. The sizes and margins are among those of section 1, whose decisions are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A configuration: suites and the rules over them."""

    places: tuple[Place, ...]
    trades: bool
    """Whether a trade-off of the task against every regression suite is a rule."""

    @classmethod
    def with_rules(cls, count: int) -> "Gate":
        """One rule is a `max_drop`; a second one `min_gain`; from five on a trade-off; the others `max_drop`."""
        trades = count >= 5
        protected = count - (count > 1) - trades
        regression = (_REGRESSION[index % len(_REGRESSION)] for index in range(protected))
        places = tuple(
            Place(name=f"suite {index}", n=n, churn=churn, margin=margin)
            for index, (n, churn, margin) in enumerate(regression)
        )
        return cls(places=(*places, TASK) if count > 1 else places, trades=trades)

    @property
    def roles(self) -> Mapping[str, Role]:
        """Suite -> role."""
        return {place.name: place.role for place in self.places}

    @property
    def declared(self) -> tuple[Declared, ...]:
        """The rules in their places."""
        suites = {place.name: facts(place.name, place.role) for place in self.places}

        def scope(name: str | None) -> Scope:
            suite = None if name is None else suites[name]
            return Scope(suite=suite, suites=suites, arms=frozenset({"base", "candidate"}), alpha=ALPHA)

        rules = tuple(
            Declared(
                rule=MinGain() if place.role == "task" else MaxDrop(drop=Amount(place.margin, "pp")),
                scope=scope(place.name),
            )
            for place in self.places
        )
        return (*rules, Declared(rule=Tradeoff(), scope=scope(None))) if self.trades else rules

    def verdict(self, tables: Mapping[str, RememberedPairs]) -> VerdictOutcome:
        """Decide one run. Trade-offs are tested only where the verdict depends on it: p = 1 blocks the least."""
        verdict = self._verdict(tables, test_trades=False)
        if verdict == "fail" or not self.trades:
            return verdict
        return self._verdict(tables, test_trades=True)

    def _verdict(self, tables: Mapping[str, RememberedPairs], *, test_trades: bool) -> VerdictOutcome:
        def test(hypothesis: Hypothesis) -> Comparison:
            pairs, task = tables[hypothesis.suite], hypothesis.task_suite
            delta = (pairs.gains - pairs.losses) / pairs.n
            if task is None:
                p_values = _p_values(pairs, hypothesis.margin)
            elif test_trades:
                p_values = tradeoff_p_regression(tables[task], pairs, BASE_RIGHT, level=ALPHA), 0.0
            else:
                p_values = 1.0, 0.0
            return comparison(hypothesis, Seen(n=pairs.n, delta=delta), p_values, None)

        _, findings = decide(self.declared, test)
        return combine(findings, self.roles)


def _p_values(pairs: RememberedPairs, margin: float) -> tuple[float, float]:
    """The product's p-values, or 1 for one above alpha and 0 for one of passing below it.

    Holm's verdict at alpha does not depend on how far above alpha a p-value is, and a pass is not adjusted.
    """
    made, table = gate_decisions(pairs.n, margin), (pairs.gains, pairs.losses)
    if table[0] >= made.blocked.shape[0] or table[1] >= made.blocked.shape[1]:
        return pairs.p_regression(margin), pairs.p_noninferior(margin)
    return pairs.p_regression(margin) if made.blocked[table] else 1.0, 0.0 if made.passed[table] else 1.0


def shares(gate: Gate, deltas: Sequence[float], rounds: int, name: str) -> dict[str, float]:
    """Share of runs with each verdict when these are the true differences of the suites."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn = [
        Flips.of(place.churn, delta).tables(place.n, rounds, rng)
        for place, delta in zip(gate.places, deltas, strict=True)
    ]
    counts = dict.fromkeys(("fail", "pass", "inconclusive"), 0)
    for index in range(rounds):
        tables = {
            place.name: RememberedPairs(gains=int(flips[index, 0]), losses=int(flips[index, 1]), n=place.n)
            for place, flips in zip(gate.places, drawn, strict=True)
        }
        counts[gate.verdict(tables)] += 1
    return {verdict: count / rounds for verdict, count in counts.items()}


def _row(count: int, rounds: int) -> tuple[list[str], list[Cell]]:
    gate = Gate.with_rules(count)
    others = len(gate.places) - 1
    fine = [0.2 if place.role == "task" else 0.1 for place in gate.places[1:]]
    power = min(rounds, POWER_ROUNDS)
    unchanged = shares(gate, [0.0] * (others + 1), rounds, f"unchanged {count}")
    margin = gate.places[0].margin
    at_margin = shares(gate, [-margin, *fine], rounds, f"at margin {count}")
    bad_10 = shares(gate, [-0.1, *[0.0] * others], power, f"bad 10 {count}")
    bad_20 = shares(gate, [-0.2, *[0.0] * others], power, f"bad 20 {count}")
    rates = (
        unchanged["fail"], unchanged["pass"], unchanged["inconclusive"], bad_10["fail"], bad_20["fail"],
        at_margin["pass"], at_margin["fail"],
    )  # fmt: skip
    where = f"section 3, {count} rules"
    # Where a gain is demanded, an unchanged model has none: passing it would be a false pass as well.
    false_pass = max(at_margin["pass"], unchanged["pass"] if count > 1 else 0.0)
    cells = error_cells(
        GATE, (max(unchanged["fail"], at_margin["fail"]), false_pass), rule="whole gate", where=where, rounds=rounds
    )
    return [str(count), *map(percent, rates)], cells


HEAD = (
    "rules", "unchanged: blocked", "unchanged: passed", "unchanged: open", "10 pp worse: blocked",
    "20 pp worse: blocked", "at margin: passed", "at margin: blocked",
)  # fmt: skip


def section(rounds: int | None) -> Section:
    """The table."""
    given = ROUNDS if rounds is None else rounds
    rows, cells = zip(*(_row(count, given) for count in RULE_COUNTS), strict=True)
    text = _TEXT.format(
        table=markdown(HEAD, rows), rounds=given, power=min(given, POWER_ROUNDS), se=100 * (0.05 * 0.95 / given) ** 0.5
    )
    return Section(text=text, cells=tuple(cell for several in cells for cell in several))


_TEXT = """## 3. The whole gate (simulated)

Independent right-or-wrong suites of 100 to 500 cases with 2 to 10 % flips: `max_drop` 5 pp or 2 pp on each; from two
rules on `min_gain: 0pp` on a task; from five on `tradeoff` of the task against every regression suite. Holm runs over
all hypotheses. {rounds:,} runs per share of "unchanged" and "at margin" (standard error at 5 %: {se:.1f} points),
{power:,} for the others. Unchanged: nothing differs. Worse: one suite (300 cases, 10 % flips, `max_drop: 5pp`) truly
dropped, the others did not change. At margin: that suite dropped by its margin, the others gained 10 pp and the task
20 pp.
A trade-off is always taken to pass, so that "passed" is an upper bound.

Per cent of runs.

{table}
"""
