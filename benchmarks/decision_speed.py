"""How long decisions take, on one core, in one run.

    OMP_NUM_THREADS=1 python benchmarks/decision_speed.py

Seconds depend on the machine; what carries over are the ratios in the last column, each to a measurement of the same
run. Every time is the best of three.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap
from statsmodels.stats.contingency_tables import mcnemar

from gate.domain import Hypothesis, Pair
from gate.stats import binary
from gate.stats.compare import compare

ROUNDS = 3
PEOPLES_RESAMPLES = 9_999
"""Resamples of a bootstrap as people run it (the default of scipy)."""


def best_of(work: Callable[[], object]) -> float:
    """Shortest time of a few, in seconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def pairs(scores: NDArray[np.float64], *, cluster_size: int | None = None, labelled: bool = False) -> list[Pair]:
    """Rows of candidate and reference scores as pairs."""
    return [
        Pair(
            case=str(index),
            cluster=None if cluster_size is None else str(index // cluster_size),
            tags=(),
            critical=False,
            candidate=float(ours),
            reference=float(theirs),
            truth=str(index % 5) if labelled else None,
            candidate_labels=(str(index % 5) if ours else "other",) if labelled else (),
            reference_labels=(str(index % 5) if theirs else "other",) if labelled else (),
        )
        for index, (ours, theirs) in enumerate(scores)
    ]


def flips(n: int, rng: np.random.Generator, *, share: float = 0.1) -> NDArray[np.float64]:
    """Right-or-wrong scores, 80 % right on the reference arm, with a share of flips, slightly more of them losses."""
    reference = (rng.random(n) < 0.8).astype(np.float64)
    flipped = rng.random(n) < np.where(reference > 0, share / 1.5, share)
    return np.column_stack([np.where(flipped, 1 - reference, reference), reference])


def hypothesis(*, margin: float = 0.05, metric: str = "mean") -> Hypothesis:
    """`max_drop` as a hypothesis."""
    return Hypothesis(
        rule="max_drop",
        suite="suite",
        slice=None,
        metric=metric,
        arm="candidate",
        against="base",
        measure="delta",
        margin=margin,
        fail_margin=margin,
        relative=False,
        alpha=0.05,
        blocking=True,
    )


def both_p_values(gains: int, losses: int, n: int) -> Callable[[], object]:
    """The two exact p-values of one rule."""
    return lambda: (
        binary.p_regression(gains, losses, n, margin=0.02),
        binary.p_noninferior(gains, losses, n, margin=0.02),
    )


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    exact = {n: best_of(both_p_values(n // 25, n // 20, n)) for n in (500, 1_000, 5_000, 20_000)}
    rows = [("two exact p-values, n = 500", exact[500], "")]
    larger = {n: seconds for n, seconds in exact.items() if n > 500}
    rows += [(f"two exact p-values, n = {n:,}", s, f"{s / exact[500]:.1f} x n = 500") for n, s in larger.items()]

    def compared(data: list[Pair], *, is_binary: bool, metric: str = "mean") -> float:
        return best_of(lambda: compare(hypothesis(metric=metric), data, binary=is_binary, seed=0))

    twenty = [pairs(flips(500, rng)) for _ in range(20)]
    began = time.perf_counter()
    for data in twenty:
        compare(hypothesis(), data, binary=True, seed=0)
    all_twenty = time.perf_counter() - began
    one = compared(twenty[0], is_binary=True)
    rows.append(("a whole comparison with its interval, 500 cases", one, f"{one / exact[500]:.1f} x its two p-values"))
    rows.append(("20 rules of 500 cases, with intervals", all_twenty, f"{all_twenty / one:.1f} x one"))
    labelled = pairs(flips(500, rng), labelled=True)
    bounded = pairs(np.clip(flips(500, rng) - rng.random((500, 2)) / 10, 0, 1))
    for name, seconds in (
        ("scores between 0 and 1, 500 cases", compared(bounded, is_binary=False)),
        ("50 clusters of 10 cases", compared(pairs(flips(500, rng), cluster_size=10), is_binary=True)),
        ("macro-F1 of 5 labels, 500 cases", compared(labelled, is_binary=True, metric="macro_f1")),
    ):
        rows.append((name, seconds, f"{seconds / one:.1f} x right-or-wrong"))
    table = np.array([[375, 25], [20, 80]])
    differences = twenty[0]
    values = np.array([(pair.candidate or 0.0) - (pair.reference or 0.0) for pair in differences])
    rivals = (
        ("statsmodels: exact McNemar, 500 cases", best_of(lambda: mcnemar(table, exact=True))),
        (
            "scipy: percentile bootstrap, 500 cases",
            best_of(lambda: bootstrap((values,), np.mean, n_resamples=PEOPLES_RESAMPLES, method="percentile", rng=rng)),
        ),
    )
    rows += [(name, seconds, f"ours takes {one / seconds:.1f} x as long") for name, seconds in rivals]
    width = max(len(name) for name, _, _ in rows)
    for name, seconds, note in rows:
        print(f"{name:<{width}}  {seconds:8.3f} s  {note}")


if __name__ == "__main__":
    main()
