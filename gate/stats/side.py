"""The pairs of one suite and how its scores become one number: what is seen of them, and the procedure that tests them.

This module must not know what is asked of the suite; `gate.stats.compare` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gate.domain import Pair
from gate.stats.choice import difference_procedure, score_procedure
from gate.stats.corpus import Average, f1
from gate.stats.corpus_procedures import corpus_procedure, corpus_score_procedure
from gate.stats.filling import Fill, complete_labels, fill_scores, is_complete, missing_labels_move
from gate.stats.procedures import Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known about the complete pairs before anything is tested."""

    n: int
    dropped: int
    estimate: float | None = None
    against_estimate: float | None = None
    delta: float | None = None
    regressed: int | None = None
    fixed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The pairs of one suite, and how its scores become one number."""

    pairs: Sequence[Pair]
    binary: bool
    """Whether the suite's scorer gives 0 or 1."""
    metric: str = "mean"

    @property
    def n(self) -> int:
        """Complete pairs."""
        return sum(is_complete(pair) for pair in self.pairs)

    @property
    def dropped(self) -> int:
        """Pairs with a score missing."""
        return len(self.pairs) - self.n

    def difference(self, fill: Fill, *, relative: bool, seed: int) -> Procedure:
        """Tests of candidate - reference."""
        if (average := _average(self.metric)) is not None:
            return corpus_procedure(complete_labels(self.pairs), average=average, relative=relative, seed=seed)
        return difference_procedure(fill_scores(self.pairs, fill), is_binary=self.binary, relative=relative, seed=seed)

    def required(self, fill: Fill, score: float, *, seed: int) -> Procedure:
        """Tests of the candidate alone against a required score."""
        if (average := _average(self.metric)) is not None:
            return corpus_score_procedure(complete_labels(self.pairs), average=average, required=score, seed=seed)
        return score_procedure(fill_scores(self.pairs, fill), is_binary=self.binary, required=score, seed=seed)

    @property
    def unfilled(self) -> float:
        """How far missing answers that no filling stands for could move the metric of one arm."""
        average = _average(self.metric)
        return 0.0 if average is None else missing_labels_move(self.pairs, average=average)

    def seen(self) -> Seen:
        """Estimates, delta and flips; only the counts when no pair is complete."""
        if self.n == 0:
            return Seen(n=0, dropped=self.dropped)
        scores = fill_scores(self.pairs, "leave out")
        estimate, against = float(scores.candidate.mean()), float(scores.reference.mean())
        if (average := _average(self.metric)) is not None:
            labels = complete_labels(self.pairs)
            estimate, against = (f1(labels.truth, arm, average=average) for arm in (labels.candidate, labels.reference))
        return Seen(
            n=self.n,
            dropped=self.dropped,
            estimate=estimate,
            against_estimate=against,
            delta=estimate - against,
            regressed=int((scores.candidate < scores.reference).sum()),
            fixed=int((scores.candidate > scores.reference).sum()),
        )


def _average(metric: str) -> Average | None:
    match metric:
        case "macro_f1":
            return "macro"
        case "weighted_f1":
            return "weighted"
        case _:
            return None
