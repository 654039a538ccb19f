"""Section 2, second half: rules on scores whose outcomes cannot be listed, by simulation with fixed seeds.

As in the exact half, a world has a boundary, a bad and a good truth; the paired t-test on single cases sees the
same data as the gate.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from exact_rules import BEYOND, Row, of_tradeoff
from numpy.typing import NDArray
from outcomes import OPEN, RememberedPairs, Seen, outcome
from rivals import t_decisions
from scipy.optimize import brentq
from truths import Flips, clusters, f1_like, labels, macro_f1, rare_bad_clusters, repeats

from gate.domain import Outcome
from gate.rules import Amount, MaxDrop
from gate.stats.choice import Scores, difference_procedure
from gate.stats.corpus import Labelled
from gate.stats.corpus_procedures import corpus_procedure

ROUNDS = 1_000
POWER_ROUNDS = 150
BASE_RIGHT = 0.8
"""Share of right answers of the base, where it matters."""

Data = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How data come about at a truth, and what is concluded from them."""

    rule: str
    setting: str
    size: str
    draw: Callable[[float, np.random.Generator], Data]
    """Data at a truth: the difference from the boundary, as a fraction; 0 is the boundary itself."""
    judge: Callable[[Data], Outcome]
    excess: Callable[[Data], Data] | None = None
    """Differences of single cases plus the margin, for the paired t-test."""
    good: float | None = BEYOND
    """How far the good truth is on the right side of the boundary; None: there is none to speak of."""
    bad: float | None = -BEYOND

    def row(self, rounds: int) -> Row:
        """Simulate."""
        remembered: dict[bytes, Outcome] = {}
        boundary, rival = self._shares(0.0, rounds, remembered)
        power_rounds = min(rounds, POWER_ROUNDS)
        bad = None if self.bad is None else self._shares(self.bad, power_rounds, remembered)[0]
        good = None if self.good is None else self._shares(self.good, power_rounds, remembered)[0]
        return Row(
            rule=self.rule,
            setting=self.setting,
            size=self.size,
            false_block=boundary[0],
            false_pass=boundary[1],
            block_bad=None if bad is None else bad[0],
            pass_good=None if good is None else good[1],
            rival=rival,
            rounds=rounds,
        )

    def _shares(
        self, truth: float, rounds: int, remembered: dict[bytes, Outcome]
    ) -> tuple[tuple[float, float], tuple[float | None, float | None]]:
        """Blocked and passed by the gate, and by the paired t-test."""
        name = f"{self.rule}, {self.setting}, {self.size}, {truth}"
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        counts, rival_counts = np.zeros(2), np.zeros(2)
        for _ in range(rounds):
            data = self.draw(truth, rng)
            key = data.tobytes()
            if key not in remembered:
                remembered[key] = self.judge(data)
            counts += (remembered[key] == "fail", remembered[key] in OPEN)
            if self.excess is not None:
                values = self.excess(data)
                error = np.asarray(values.std(ddof=1) / np.sqrt(values.size))
                made = t_decisions(np.asarray(values.mean()), error, values.size)
                rival_counts += (bool(made.blocked), bool(made.passed))
        blocked, passed = counts / rounds
        rival = (None, None) if self.excess is None else (rival_counts[0] / rounds, rival_counts[1] / rounds)
        return (float(blocked), float(passed)), rival


def relative_drop(n: int, churn: float) -> World:
    """`max_drop: 5%` of a base that is right on 80 %: the boundary is a drop of 4 pp. Data: both, gained, lost."""
    rule = MaxDrop(drop=Amount(0.05, "%"))

    def draw(truth: float, rng: np.random.Generator) -> Data:
        flips = Flips.of(churn, truth - 0.05 * BASE_RIGHT)
        both = BASE_RIGHT - flips.loss
        return rng.multinomial(n, [both, flips.gain, flips.loss, 1 - both - flips.gain - flips.loss]).astype(np.float64)

    def judge(data: Data) -> Outcome:
        counts = data.astype(np.int64)
        candidate, reference = (np.repeat(scores, counts) for scores in ([1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]))
        scores = Scores(candidate=candidate, reference=reference, codes=None)
        procedure = difference_procedure(scores, is_binary=True, relative=True, seed=0)
        delta, against = float((candidate - reference).mean()), float(reference.mean())
        return outcome(rule, procedure, Seen(n=n, delta=delta, estimate=against + delta, against=against))

    def excess(data: Data) -> Data:
        return np.repeat([0.05, 1.0, -0.95, 0.0], data.astype(np.int64))

    return World(
        rule="max_drop, relative", setting=f"5 %, flips {churn:.0%}", size=str(n), draw=draw, judge=judge,
        excess=excess, good=0.05 * BASE_RIGHT,
    )  # fmt: skip


def tradeoff(n: int, churn: float, gain: float) -> World:
    """A task gain that equals the relative loss of a suite; data: gains and losses of both, what the base got right.

    Bad: the suite loses 20 % more, relative. Good: the task gains 20 pp more.
    """

    def draw(truth: float, rng: np.random.Generator) -> Data:
        task = Flips.of(churn, gain + max(truth, 0.0))
        suite = Flips.of(churn, -BASE_RIGHT * (gain - min(truth, 0.0)))
        (one,), (other,) = task.tables(n, 1, rng), suite.tables(n, 1, rng)
        same = n - int(other.sum())
        kept = (BASE_RIGHT - suite.loss) / (1 - suite.gain - suite.loss)
        right = int(other[1]) + int(rng.binomial(same, kept))
        return np.array([*one, *other, right], dtype=np.float64)

    def judge(data: Data) -> Outcome:
        task_gains, task_losses, gains, losses, right = (int(count) for count in data)
        task = RememberedPairs(gains=task_gains, losses=task_losses, n=n)
        return of_tradeoff(task, RememberedPairs(gains=gains, losses=losses, n=n), right / n)

    return World(
        rule="tradeoff", setting=f"gain = relative loss = {gain:.0%}, flips {churn:.0%}", size=f"{n} + {n}",
        draw=draw, judge=judge, good=None, bad=None,
    )  # fmt: skip


def _mean_drop(margin: float, *, repeats_per_case: bool = False) -> Callable[[Data], Outcome]:
    rule = MaxDrop(drop=Amount(margin, "pp"))

    def judge(data: Data) -> Outcome:
        # Only the differences matter; any pair of scores in [0, 1] with that difference will do.
        values = np.round(data, 12)
        candidate, reference = np.maximum(values, 0.0), np.maximum(-values, 0.0)
        scores = Scores(candidate=candidate, reference=reference, codes=None)
        procedure = difference_procedure(scores, is_binary=repeats_per_case, relative=False, seed=0)
        return outcome(rule, procedure, Seen(n=values.size, delta=float(values.mean())))

    return judge


def f1_scores(n: int, margin: float) -> World:
    """Bounded scores with symmetric differences in tenths."""
    return World(
        rule="max_drop, bounded scores", setting=f"{100 * margin:g} pp, F1-like", size=str(n),
        draw=lambda truth, rng: np.sort(f1_like(n, truth - margin, rng)),
        judge=_mean_drop(margin), excess=lambda data: data + margin, good=margin or BEYOND,
    )  # fmt: skip


def repeated(n: int, margin: float) -> World:
    """Five repeats of right or wrong on each arm, averaged per case."""

    def draw(truth: float, rng: np.random.Generator) -> Data:
        candidate, reference = repeats(n, truth - margin, rng)
        return np.sort(np.round(candidate - reference, 12))

    return World(
        rule="max_drop, 5 repeats", setting=f"{100 * margin:g} pp", size=f"{n} x 5", draw=draw,
        judge=_mean_drop(margin, repeats_per_case=True), excess=lambda data: data + margin, good=margin or BEYOND,
    )  # fmt: skip


def _clustered_drop(margin: float, size: int = 10) -> Callable[[Data], Outcome]:
    rule = MaxDrop(drop=Amount(margin, "pp"))

    def judge(data: Data) -> Outcome:
        codes = np.repeat(np.arange(data.size // size), size)
        scores = Scores(candidate=np.maximum(data, 0.0), reference=np.maximum(-data, 0.0), codes=codes)
        procedure = difference_procedure(scores, is_binary=True, relative=False, seed=0)
        return outcome(rule, procedure, Seen(n=data.size, delta=float(data.mean())))

    return judge


def _canonical(differences: Data) -> Data:
    """The same clusters in an order that makes equal data equal: by total, cases sorted within."""
    rows = np.sort(differences, axis=1)
    return rows[np.lexsort(rows.T)].ravel()


def clustered(count: int, margin: float) -> World:
    """Ten cases per cluster, symmetric cluster effects."""
    return World(
        rule="max_drop, clusters", setting=f"{100 * margin:g} pp, ICC .27", size=f"{count} x 10",
        draw=lambda truth, rng: _canonical(clusters(count, truth - margin, rng)),
        judge=_clustered_drop(margin), excess=lambda data: data + margin, good=margin or BEYOND,
    )  # fmt: skip


def rare_bad(count: int, bad: float, loss: float) -> World:
    """A base that is always right; all losses are in rare bad clusters, at the margin in the mean."""
    margin = round(bad * loss, 12)

    def draw(truth: float, rng: np.random.Generator) -> Data:
        # Further losses come from more bad clusters.
        share = min(1.0, max(0.0, bad - truth / loss))
        return _canonical(rare_bad_clusters(count, bad=share, loss=loss, rng=rng))

    return World(
        rule="max_drop, clusters", setting=f"{100 * margin:g} pp, {bad:.0%} of clusters lose {loss:.0%}",
        size=f"{count} x 10", draw=draw, judge=_clustered_drop(margin), excess=lambda data: data + margin, good=margin,
    )  # fmt: skip


_GOOD_HITS = (0.90, 0.80, 0.75, 0.70, 0.60)
_OTHER_PROFILE = (0.80, 0.80, 0.75, 0.75, 0.75)


def _scaled_to(profile: tuple[float, ...], target: float) -> tuple[float, ...]:
    """The profile with all chances to be right multiplied so that its macro-F1 is the target."""

    def scaled(factor: float) -> tuple[float, ...]:
        return tuple(min(1.0, factor * hit) for hit in profile)

    return scaled(float(brentq(lambda factor: macro_f1(scaled(factor)) - target, 0.2, 1.2)))


def corpus(n: int, margin: float, profile: tuple[float, ...], name: str) -> World:
    """Macro-F1 over five imbalanced classes; the candidate has an error profile of its own or the base's."""
    rule = MaxDrop(drop=Amount(margin, "pp"))
    reference_f1 = macro_f1(_GOOD_HITS)
    at_truth: dict[float, tuple[float, ...]] = {}

    def draw(truth: float, rng: np.random.Generator) -> Data:
        if truth not in at_truth:
            at_truth[truth] = _scaled_to(profile, reference_f1 - margin + truth)
        return np.stack(labels(n, (at_truth[truth], _GOOD_HITS), rng)).astype(np.float64)

    def judge(data: Data) -> Outcome:
        truth, candidate, reference = data.astype(np.int64)
        given = Labelled(truth=truth, candidate=candidate[:, None], reference=reference[:, None], codes=None)
        procedure = corpus_procedure(given, average="macro", relative=False, seed=0)
        return outcome(rule, procedure, Seen(n=n, delta=0.0))

    return World(
        rule="max_drop, macro-F1", setting=f"{100 * margin:g} pp, {name}", size=str(n), draw=draw, judge=judge,
        good=margin or BEYOND,
    )  # fmt: skip


def worlds() -> Iterator[World]:
    """Every simulated row."""
    yield from (relative_drop(n, churn) for n in (50, 150, 300) for churn in (0.02, 0.10))
    yield from (tradeoff(n, churn, gain) for n in (100, 300) for churn in (0.02, 0.20) for gain in (0.0, 0.05))
    yield from (f1_scores(n, margin) for n in (30, 100, 300) for margin in (0.0, 0.05))
    yield from (repeated(n, margin) for n in (50, 100, 300) for margin in (0.0, 0.05))
    yield from (clustered(count, margin) for count in (15, 30, 60) for margin in (0.0, 0.05))
    yield from (rare_bad(count, 0.1, 0.2) for count in (15, 30, 60, 150))
    yield from (rare_bad(count, 0.1, 0.5) for count in (60, 150))
    profiles = ((_GOOD_HITS, "same profile"), (_OTHER_PROFILE, "other profile"))
    yield from (
        corpus(n, margin, profile, name) for n in (50, 100, 300) for margin in (0.0, 0.05) for profile, name in profiles
    )
