"""From scores to numbers: the pairs of two arms, what is to be tested of them, and what came out of it."""

from dataclasses import dataclass
from typing import Literal

from gate.domain.answers import ArmName

Measure = Literal["delta", "score", "flips", "tradeoff", "shift"]
"""What a hypothesis is about. `delta`: the paired difference of scores. `score`: the arm's own mean less a required
one. `flips`: how much was lost on the cases that got worse. `tradeoff`: the gain of a task suite plus the relative
change of another suite. `shift`: how far a property of the answers moved, in either direction."""

Metric = Literal["mean", "accuracy", "macro_f1", "weighted_f1"]
"""How the scores of a suite become one number."""

CORPUS_METRICS = frozenset({"macro_f1", "weighted_f1"})
"""Metrics that are no mean over cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What two arms are worth on one case, repeats averaged: scores, or values of a property of their answers."""

    case: str
    cluster: str | None
    tags: tuple[str, ...]
    critical: bool
    candidate: float | None
    """Mean score of the arm under test in [0, 1], or its mean value of a property in its own unit; None: missing."""
    reference: float | None
    """The same of the arm it is compared with; None: missing."""
    truth: str | None = None
    """The right label, where labels are what is asked for."""
    candidate_labels: tuple[str | None, ...] = ()
    """Label read from each repeat's answer; None: not one of the labels. Empty where nothing is labelled."""
    reference_labels: tuple[str | None, ...] = ()
    """The same of the arm it is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What a rule wants tested, about delta = candidate - reference arm.

    Two one-sided tests: *failing* needs proof of delta < -fail_margin, *passing* needs proof of
    delta > -margin. A margin is negative where a gain is demanded.
    """

    rule: str | None
    """Kind of the declaring rule; None: shown, never judged."""
    suite: str
    slice: str | None
    """Only cases with this tag; None: the whole suite."""
    metric: str
    arm: ArmName
    against: ArmName | None
    """The reference arm; None: the score is compared with a constant (`score`)."""
    measure: Measure
    margin: float
    """Fraction of the score that may be lost; where `relative`, fraction of the reference arm's mean. For `flips` and
    `shift`, how much is tolerated."""
    fail_margin: float
    """The drop that a failure must provably exceed; equals `margin` or 0."""
    relative: bool
    alpha: float
    """One-sided error rate of each test."""
    blocking: bool
    score: float | None = None
    """Required score of a `score` hypothesis."""
    task_suite: str | None = None
    """The gaining side of a `tradeoff` hypothesis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One hypothesis, tested. All shares and differences are fractions of the score."""

    rule: str | None
    suite: str
    slice: str | None
    metric: str
    measure: Measure
    arm: ArmName
    against: ArmName | None
    n: int
    """Complete pairs used; where they form clusters, those are what is independent."""
    clusters: int | None
    """Number of clusters when cases are clustered, else None."""
    dropped: int
    """Cases left out because an arm has no score for them."""
    estimate: float | None
    against_estimate: float | None
    delta: float | None
    """`estimate - against_estimate`. For `score` the estimate less the required score; for `flips`, whose estimate is
    the negative flip rate, what is left of the tolerated rate; for a `shift` of lengths the relative change."""
    low: float | None
    high: float | None
    """Interval for delta at `level`."""
    level: float
    """Two-sided coverage, 0.9 at alpha = 0.05: its ends are the two one-sided bounds."""
    margin: float
    fail_margin: float
    relative: bool
    p_regression: float | None
    """One-sided, H0: delta >= -fail_margin. Missing cases are imputed in the candidate's favour."""
    p_regression_adjusted: float | None
    """After Holm over the declared rules; None until then, and where nothing is judged."""
    p_noninferior: float | None
    """One-sided, H0: delta <= -margin. Missing cases are imputed against the candidate."""
    p_no_change: float | None
    """One-sided second opinion on H0: delta >= 0: McNemar mid-p, or a sign-flip p. Shown, never judged."""
    regressed: int | None
    """Cases on which the arm scores lower than the reference arm."""
    fixed: int | None
    """Cases on which it scores higher."""
    method: str
    """Names of the test and of the interval."""
    smallest_detectable_drop: float | None
    """The drop that a test of this size would prove with 80 % probability; None when it cannot be said."""
    decided_by_missing: bool
    """True when the complete pairs alone would decide but the missing ones could overturn it."""
    task_suite: str | None = None
    """The gaining side of a trade-off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How a property of the answers to unlabelled inputs moved. Shown, not judged."""

    suite: str
    measure: Literal["length"]
    unit: Literal["tokens", "characters"]
    """What a length is counted in; characters where the tokens of an answer are not known."""
    arm: ArmName
    against: ArmName
    n: int
    """Inputs for which both arms' property is known."""
    estimate: float | None
    """Mean of the arm under test, in the unit of the measure."""
    against_estimate: float | None
    change: float | None
    """Relative change of the geometric mean: -0.45 is 45 % shorter."""
    low: float | None
    high: float | None
    level: float
    p_shape: float | None = None
    """Two-sided p-value of equal distributions, from a KS statistic calibrated by swapping arms within inputs."""
