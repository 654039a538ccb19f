"""One rule's forecast: its numbers, and what they mean in plain words.

This module computes no number but what a finished round says; it knows neither rules nor tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from gate import wording
from gate.domain import ArmName, Round
from gate.stats.planning import DEFAULT_POWER

Subject = Literal["drop", "gain", "score", "flips", "shift", "net", "length", "observed"]
"""What a rule asks about. `net`: a gain less a loss. `length`: how long answers are, of which nothing is known before
there are any. `observed`: the rule counts, and proves nothing."""

_CERTAIN = 1 - 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a finished round says of a suite."""

    churn: float
    """Share of cases on which candidate and reference arm differ, moved a little towards one half."""
    score: float | None
    """The reference arm's score."""


MeasuredSuites = Mapping[tuple[str, ArmName], Measured]
"""Suite and reference arm -> what was measured."""


def measured_in(round_: Round) -> MeasuredSuites:
    """Take the share of flips and the scores of every whole suite from a finished round.

    The share is moved a little towards one half: no flips among a few cases are no proof that none will come.
    """
    return {
        (one.suite, one.against): Measured(
            churn=(one.regressed + one.fixed + 1) / (one.n + 2), score=one.against_estimate
        )
        for one in round_.comparisons
        if one.measure == "delta" and one.slice is None and one.arm == "candidate"
        if one.against is not None and one.regressed is not None and one.fixed is not None and one.n > 0
        # A stored round may say anything.
        if one.regressed >= 0 and one.fixed >= 0 and one.regressed + one.fixed <= one.n
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one rule can decide on one suite. All shares and differences are fractions of the score."""

    label: str
    """The rule with its limit, for people: `max_drop of 2 pp`."""
    subject: Subject
    suite: str | None
    """None: the whole run."""
    slice: str | None = None
    cases: int = 0
    clusters: int | None = None
    """Number of clusters, where cases are clustered; then they are what is counted."""
    churn: float | None = None
    """Assumed share of flips; None where it has no influence."""
    is_measured: bool = False
    """Whether the share of flips comes from a round."""
    base_score: float | None = None
    """Score of the reference arm that was put in where one matters; 1 where a relative limit needs an unknown one."""
    passes_unchanged: float | None = None
    """Chance that an unchanged candidate passes; None where it cannot be said."""
    by_chance: bool = False
    """The rule demands a proven gain: `passes_unchanged` is its error rate, an upper bound."""
    is_exact: bool = False
    """Whether chance and size are those of the run's own test, right to the last digit shown."""
    is_relative: bool = False
    """The limit is a share of the reference arm's score."""
    as_if_binary: bool = False
    """The scores are not right or wrong, or the metric is no mean: the run will use another test."""
    fails_at: float | None = None
    """What fails with 80 % probability: the drop, the shift, the share that breaks, the score. None when not even the
    largest would, or it cannot be said."""
    passes_at: float | None = None
    """The gain or the score with which a candidate passes with 80 % probability; None where none would, or none is
    demanded."""
    cases_needed: int | None = None
    """Cases (clusters, where they are counted) with which an unchanged candidate would pass with 80 % probability,
    about; None where no number would do or it cannot be said."""
    fewest: int | None = None
    """Units with which the best candidate there could be would pass; None where that is no question of numbers."""
    must_prove: bool = False
    """What does not pass fails."""

    @property
    def units(self) -> int:
        """What counts as independent: clusters, or else cases."""
        return self.cases if self.clusters is None else self.clusters

    @property
    def place(self) -> str:
        """Where the rule stands, for people."""
        return (self.suite or "whole run") + (f" [{self.slice}]" if self.slice else "")

    @property
    def is_hopeless(self) -> bool:
        """Whether not even a candidate without a single flip passes."""
        return self.fewest is not None and self.units < self.fewest

    @property
    def is_unlikely(self) -> bool:
        """Whether an unchanged candidate passes less often than plans are made for."""
        return self.passes_unchanged is not None and self.passes_unchanged < DEFAULT_POWER

    @property
    def chance(self) -> str:
        """`passes_unchanged` in words."""
        if self.passes_unchanged is None:
            return "-"
        shown = _whole_percent(self.passes_unchanged)
        return f"at most {shown}" if self.by_chance else shown if self.is_exact else f"about {shown}"

    @property
    def counted(self) -> str:
        """How many cases there are, for people."""
        cases = wording.count(self.cases, "case")
        return cases if self.clusters is None else f"{cases} in {wording.count(self.clusters, 'cluster')}"

    @property
    def sentence(self) -> str:
        """The consequence in plain words, without the place and without a full stop."""
        text = _sentence(self)
        return f"{text}; what does not pass fails (must_prove)" if self.must_prove else text


def _sentence(forecast: Forecast) -> str:
    label = forecast.label
    match forecast.subject:
        case "drop" | "shift" | "flips":
            proves = f"passes {_unchanged(forecast)} and {_proves(forecast)}{_more(forecast)}"
        case "gain":
            proves = "passes no gain four times in five, however large"
            if forecast.passes_at is not None:
                proves = f"passes a gain of {_points(forecast.passes_at, forecast)} four times in five"
            proves += f"; {_by_chance(forecast)}"
        case "score":
            proves = _score(forecast)
        case "net":
            gain = "which gain passes depends on scores that are not known yet"
            return f"{label} demands a proven gain; {_by_chance(forecast)}, and {gain}"
        case "length":
            return f"{label}: how far lengths vary shows only in answers, nothing can be said before"
        case "observed":
            return f"{label} goes by what is observed: nothing is proven, nothing can be forecast"
        case _:
            assert_never(forecast.subject)
    return f"{_given(forecast)}, {label} {proves}"


def _proves(forecast: Forecast) -> str:
    """What fails four times in five."""
    size = forecast.fails_at
    if forecast.subject == "flips":
        broken = "however many answers break" if size is None else f"once {wording.percent(size)} break"
        return f"{'does not fail' if size is None else 'fails'} four times in five {broken}"
    if size is None:
        return f"proves no {forecast.subject} four times in five, however large"
    return f"proves a {forecast.subject} of {_points(size, forecast)} four times in five"


def _given(forecast: Forecast) -> str:
    counted = "" if forecast.clusters is None else " (each counted as one case)"
    flips = "" if forecast.churn is None else f" and {_share(forecast.churn)} flips"
    return f"with {forecast.counted}{counted}{flips}"


def _unchanged(forecast: Forecast) -> str:
    return f"an unchanged model {forecast.chance} of the time"


def _by_chance(forecast: Forecast) -> str:
    return f"an unchanged model passes by chance only, {forecast.chance} of the time"


def _more(forecast: Forecast) -> str:
    """What it would take to pass an unchanged candidate, where it is unlikely to pass."""
    needed = forecast.cases_needed
    if not forecast.is_unlikely:
        return ""
    if needed is None:
        why = ", as half the flips alone break more than is tolerated" if forecast.subject == "flips" else ""
        return f"; no number of cases would do{why}"
    if needed <= forecast.units:
        return ""
    units = "case" if forecast.clusters is None else "cluster"
    return f"; about {wording.count(needed, units)} would pass it 80 % of the time"


def _score(forecast: Forecast) -> str:
    if forecast.passes_at is None:
        return "cannot pass, even if every answer is right"
    text = f"passes a true score of {wording.percent(forecast.passes_at)} four times in five"
    if forecast.fails_at is not None:
        text += f" and fails one of {wording.percent(forecast.fails_at)} as often"
    if forecast.base_score is not None:
        base = wording.percent(forecast.base_score)
        text += f"; a model that scores {base}, as the base does, passes {forecast.chance} of the time"
    return text


def _points(value: float, forecast: Forecast) -> str:
    return f"{'' if forecast.is_exact else 'about '}{100 * value:.1f} pp"


def _share(value: float) -> str:
    """A share of flips: as declared where it is round, else to a tenth of a per cent."""
    return f"{round(100 * value, 1):g} %"


def _whole_percent(share: float) -> str:
    """Write a chance in whole per cent; only what is certain reads 0 or 100."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < _CERTAIN:
        return "over 99 %"
    return f"{100 * share:.0f} %"
