"""Section 2, first half: every other rule on right-or-wrong scores, by summing over all outcomes. Nothing is drawn.

A row has a boundary truth, at which both errors are largest, a bad truth 10 pp beyond it and a good one: no change
where that is within the limit, else 10 pp better than the boundary.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from outcomes import (
    ALPHA,
    OPEN,
    Decisions,
    RememberedPairs,
    Seen,
    comparison,
    facts,
    of_pairs,
    of_shares,
    outcome,
    regions,
    tradeoff_p_noninferior,
    tradeoff_p_regression,
)
from rivals import t_decisions
from scipy.stats import binom
from truths import Flips, most_flips, share

from gate.domain import Comparison, Hypothesis, Outcome
from gate.rules import Amount, MaxDrop, MaxFlips, MaxShift, MinGain, MinScore, PromptIsEnough, Tradeoff
from gate.rules.base import Scope
from gate.rules.decide import Declared, decide
from gate.stats.choice import Scores, difference_procedure
from gate.stats.procedures import RequiredShare

SIZES = (50, 150, 300)
CHURNS = (0.02, 0.10, 0.40)
BEYOND = 0.10
CATASTROPHE = 0.9
"""Loss on a case that breaks altogether."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a rule does in one world; None: not promised, or not computed."""

    rule: str
    setting: str
    size: str
    false_block: float | None
    false_pass: float | None
    block_bad: float | None = None
    pass_good: float | None = None
    rival: tuple[float | None, float | None] = (None, None)
    """False blocks and false passes of the paired t-test."""
    rounds: int | None = None
    """None: exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truths:
    """Where to look: at no false block, at no false pass, and far from either."""

    block: Flips | None
    passing: Flips | None
    bad: Flips
    good: Flips

    @property
    def everywhere(self) -> list[Flips]:
        return [one for one in (self.block, self.passing, self.bad, self.good) if one is not None]


def _row(name: str, setting: str, n: int, made: Decisions, truths: _Truths) -> Row:
    return Row(
        rule=name,
        setting=setting,
        size=str(n),
        false_block=None if truths.block is None else share(made.blocked, truths.block, n),
        false_pass=None if truths.passing is None else share(made.passed, truths.passing, n),
        block_bad=share(made.blocked, truths.bad, n),
        pass_good=share(made.passed, truths.good, n),
    )


def min_gain(n: int, gain: float) -> Iterator[Row]:
    """`min_gain` at a true gain that equals the demanded one."""
    rule = MinGain(gain=Amount(gain, "pp"))
    worlds = {
        churn: _Truths(
            block=Flips.of(churn, gain),
            passing=Flips.of(churn, gain),
            bad=Flips.of(churn, gain - BEYOND),
            good=Flips.of(churn, gain + BEYOND),
        )
        for churn in CHURNS
    }
    made = regions(
        lambda gains, losses: of_pairs(rule, gains, losses, n, role="task"), n, most=_most(worlds.values(), n)
    )
    for churn, truths in worlds.items():
        yield _row("min_gain", f"{rule.gain}, flips {churn:.0%}", n, made, truths)


def named_null(n: int, fail_null: str, drop: float) -> Iterator[Row]:
    """`max_drop` that fails on a drop over 0: its false block is one without any change."""
    rule = MaxDrop.model_validate({"drop": Amount(drop, "pp"), "fail_null": fail_null})
    worlds = {
        churn: _Truths(
            block=Flips.of(churn, 0.0),
            passing=Flips.of(churn, -drop),
            bad=Flips.of(churn, -drop - BEYOND),
            good=Flips.of(churn, 0.0),
        )
        for churn in CHURNS
    }
    made = regions(lambda gains, losses: of_pairs(rule, gains, losses, n), n, most=_most(worlds.values(), n))
    for churn, truths in worlds.items():
        setting = f"{fail_null}, {rule.drop}, flips {churn:.0%}"
        yield _row(f"max_drop, fail_null {fail_null}", setting, n, made, truths)


def prompt_is_enough(n: int, *, must_prove: bool) -> Iterator[Row]:
    """Candidate and prompted base equally good (50 %). What opens the gate is a pass or a warning."""
    rule = PromptIsEnough(must_prove=must_prove)
    name = "prompt_is_enough, must_prove" if must_prove else "prompt_is_enough"
    worlds = {
        churn: _Truths(
            block=None if must_prove else Flips.of(churn, 0.0),
            passing=Flips.of(churn, 0.0) if must_prove else None,
            bad=Flips.of(churn, -BEYOND),
            good=Flips.of(churn, BEYOND),
        )
        for churn in CHURNS
    }
    made = regions(
        lambda gains, losses: of_pairs(rule, gains, losses, n, role="task"), n, most=_most(worlds.values(), n)
    )
    for churn, truths in worlds.items():
        yield _row(name, f"flips {churn:.0%}", n, made, truths)


def max_shift(n: int, shift: float) -> Iterator[Row]:
    """`max_shift` of a share, moved up by what is tolerated; moved down is the same by symmetry."""
    rule = MaxShift(measure="refusal", shift=Amount(shift, "pp"))
    worlds = {
        churn: _Truths(
            block=Flips.of(churn, shift),
            passing=Flips.of(churn, shift),
            bad=Flips.of(churn, shift + BEYOND),
            good=Flips.of(churn, 0.0),
        )
        for churn in CHURNS
    }
    made = regions(
        lambda gains, losses: of_shares(rule, gains, losses, n), n, most=_most(worlds.values(), n), mirrored=True
    )
    for churn, truths in worlds.items():
        yield _row("max_shift of a share", f"{rule.shift}, changed {churn:.0%}", n, made, truths)


def min_score(n: int, bar: float) -> Row:
    """`min_score` at a true score that equals the bar."""
    rule = MinScore.model_validate({"score": f"{100 * bar:g}%"})
    rates = _counted(n, lambda right: _of_required(rule, right, n, bar), (bar, bar - BEYOND, min(1.0, bar + BEYOND)))
    return Row(rule="min_score", setting=f"{bar:.0%}", size=str(n), **rates)


def max_flips(n: int, rate: float) -> Row:
    """`max_flips` at a true rate of broken answers that equals the limit; good is a tenth of it."""
    rule = MaxFlips(rate=Amount(rate, "pp"))
    truths = (1 - rate, 1 - rate - BEYOND, 1 - rate / 10)
    rates = _counted(n, lambda kept: _of_required(rule, kept, n, 1 - rate), truths)
    return Row(rule="max_flips", setting=f"{rule.rate}", size=str(n), **rates)


def catastrophes(n: int, drop: float) -> Row:
    """Bounded scores of which a few lose nearly everything; at margin 0 the others gain what makes the mean 0."""
    rule = MaxDrop(drop=Amount(drop, "pp"))
    rare = drop / CATASTROPHE if drop else 0.03
    small = 0.0 if drop else rare * CATASTROPHE / (1 - rare)

    def differences(broken: int) -> NDArray[np.float64]:
        return np.repeat([-CATASTROPHE, small], [broken, n - broken])

    @cache
    def judged(broken: int) -> Outcome:
        values = differences(broken)
        reference = np.full(n, 0.95)
        scores = Scores(candidate=reference + values, reference=reference, codes=None)
        procedure = difference_procedure(scores, is_binary=False, relative=False, seed=0)
        return outcome(rule, procedure, Seen(n=n, delta=float(values.mean())))

    mass = binom.pmf(np.arange(n + 1), n, rare)
    counts = [count for count in range(n + 1) if mass[count] > 1e-12]
    t_test = {
        broken: t_decisions(np.asarray(values.mean() + drop), np.asarray(values.std(ddof=1) / np.sqrt(n)), n)
        for broken in counts
        for values in [differences(broken)]
    }
    return Row(
        rule="max_drop, bounded scores",
        setting=f"{rule.drop}, {rare:.1%} lose {CATASTROPHE:g}",
        size=str(n),
        false_block=sum(float(mass[broken]) for broken in counts if judged(broken) == "fail"),
        false_pass=sum(float(mass[broken]) for broken in counts if judged(broken) in OPEN),
        rival=(
            sum(float(mass[broken]) for broken in counts if t_test[broken].blocked),
            sum(float(mass[broken]) for broken in counts if t_test[broken].passed),
        ),
    )


def edge_tradeoff(n: int, rate: float) -> Row:
    """A task that only gains against a suite that only loses, both at the same rate: the net is 0."""

    def judged(gains: int, losses: int) -> Outcome:
        task = RememberedPairs(gains=gains, losses=0, n=n)
        suite = RememberedPairs(gains=0, losses=losses, n=n)
        return of_tradeoff(task, suite, 1.0)

    most = int(binom.isf(1e-10, n, rate))
    made = regions(judged, 2 * most + n, most=(most, most))
    mass = np.outer(binom.pmf(np.arange(most + 1), n, rate), binom.pmf(np.arange(most + 1), n, rate))
    return Row(
        rule="tradeoff",
        setting=f"gain = loss = {rate:.0%}, edge",
        size=f"{n} + {n}",
        false_block=float(mass[made.blocked].sum()),
        false_pass=float(mass[made.passed].sum()),
    )


def of_tradeoff(task: RememberedPairs, suite: RememberedPairs, scale: float) -> Outcome:
    """What `tradeoff` concludes from one task and one regression suite."""
    places = {"task": facts("task", "task"), "suite": facts("suite", "regression")}
    scope = Scope(suite=None, suites=places, arms=frozenset({"base", "candidate"}), alpha=ALPHA)

    def test(hypothesis: Hypothesis) -> Comparison:
        p_values = (
            tradeoff_p_regression(task, suite, scale, level=ALPHA),
            tradeoff_p_noninferior(task, suite, scale, level=ALPHA),
        )
        net = (task.gains - task.losses) / task.n + (suite.gains - suite.losses) / suite.n / scale
        return comparison(hypothesis, Seen(n=suite.n, delta=net), p_values, None)

    _, (finding,) = decide([Declared(rule=Tradeoff(), scope=scope)], test)
    return finding.outcome


def rows() -> Iterator[Row]:
    """Every exact row."""
    for n in SIZES:
        for gain in (0.0, 0.03):
            yield from min_gain(n, gain)
    yield from (min_score(n, bar) for n in SIZES for bar in (0.8, 0.95))
    yield from (max_flips(n, rate) for n in SIZES for rate in (0.01, 0.03))
    for fail_null in ("zero", "any"):
        for n in SIZES:
            yield from named_null(n, fail_null, 0.05)
    for n in SIZES:
        for shift in (0.02, 0.05):
            yield from max_shift(n, shift)
    for must_prove in (False, True):
        for n in SIZES:
            yield from prompt_is_enough(n, must_prove=must_prove)
    yield from (edge_tradeoff(n, rate) for n, rate in ((60, 0.05), (150, 0.03)))
    yield from (catastrophes(n, drop) for drop in (0.0, 0.02) for n in (30, 50, 100, 300, 500))


def _most(worlds: Iterable[_Truths], n: int) -> tuple[int, int]:
    return most_flips([one for truths in worlds for one in truths.everywhere], n)


def _of_required(rule: MinScore | MaxFlips, successes: int, n: int, required: float) -> Outcome:
    seen = Seen(n=n, delta=successes / n - required, estimate=successes / n)
    return outcome(rule, RequiredShare(successes=successes, n=n, required=required), seen)


def _counted(n: int, judged: Callable[[int], Outcome], truths: tuple[float, float, float]) -> dict[str, float]:
    """Rates of a rule that sees one count, at its boundary, at a bad and at a good share."""
    outcomes = np.array([judged(count) for count in range(n + 1)])
    blocked, passed = outcomes == "fail", np.isin(outcomes, sorted(OPEN))
    boundary, bad, good = (binom.pmf(np.arange(n + 1), n, truth) for truth in truths)
    return {
        "false_block": float(boundary[blocked].sum()),
        "false_pass": float(boundary[passed].sum()),
        "block_bad": float(bad[blocked].sum()),
        "pass_good": float(good[passed].sum()),
    }
