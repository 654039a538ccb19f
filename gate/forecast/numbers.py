"""From rules and an assumed share of flips to chances.

Passing is held against a rule's alpha. Failing is held against alpha divided by the number of hypotheses in the
rule's family (those that can block, or those that cannot): the first step of Holm's method, which a failure must take
when it is the only one. With other failures beside it, it needs less; so what is said here is the cautious end.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gate.domain import CORPUS_METRICS, Hypothesis
from gate.forecast.places import Evidence, fewest_units, label
from gate.forecast.value import Forecast, Measured, MeasuredSuites
from gate.rules import MaxDrop
from gate.rules.decide import Declared
from gate.stats.chances import (
    EXACT_CHANCE_MAX_N,
    cases_for_share,
    chance_share_passes,
    chance_to_pass,
    share_that_fails,
    share_that_passes,
    smallest_proven_drop,
)
from gate.stats.clustered import MIN_CLUSTERS
from gate.stats.planning import (
    DEFAULT_POWER,
    cases_for_power,
    chance_to_decide,
    level_of_each_end,
    smallest_detectable_drop,
)

DEFAULT_CHURN = 0.1
"""Share of flips that is assumed where nobody says otherwise."""

_EVEN = 0.5
"""Error rate of a mere comparison with what was observed: no proof."""


def forecasts(
    declared: Sequence[Declared],
    *,
    churn: float = DEFAULT_CHURN,
    measured: MeasuredSuites | None = None,
    cases: int | None = None,
    spent_early: float = 0.0,
) -> tuple[Forecast, ...]:
    """Say for every rule of a run what it can decide.

    Args:
        declared: The rules in their places.
        churn: Share of flips in [0, 1] that an unchanged candidate is assumed to have.
        measured: What replaces the assumption on the suites of a finished round.
        cases: Plan as if every suite had so many cases; slices and clusters grow in proportion.
        spent_early: Share of the error rate of a paired comparison that pays for stopping early.

    Returns:
        One forecast for each rule, or for each suite that a rule of the whole run tests by itself, in order. A suite
        that lacks the tag of a rule of the whole run is left out.
    """
    families, result = family_sizes(declared), []
    for one in declared:
        hypotheses = one.rule.declare(one.scope)
        if not hypotheses or hypotheses[0].measure == "tradeoff":
            result.append(_without_numbers(one, hypotheses))
            continue
        for hypothesis in hypotheses:
            alpha = hypothesis.alpha * (1 - spent_early if hypothesis.measure == "delta" else 1)
            question = _Question(
                declared=one,
                hypothesis=replace(hypothesis, alpha=alpha),
                failing_alpha=alpha / families[hypothesis.blocking],
                given=(measured or {}).get((hypothesis.suite, hypothesis.against or "base")),
                churn=churn,
                cases=cases,
            )
            if question.evidence.cases:
                result.append(question.forecast())
    return tuple(result)


def family_sizes(declared: Sequence[Declared]) -> Mapping[bool, int]:
    """Hypotheses that share an error rate: how many can block (True), and how many cannot (False)."""
    return Counter(hypothesis.blocking for one in declared for hypothesis in one.rule.declare(one.scope))


def _without_numbers(one: Declared, hypotheses: Sequence[Hypothesis]) -> Forecast:
    """A rule that counts what is observed, or weighs two suites whose scores nobody knows yet."""
    rule, scope = one.rule, one.scope
    plain = Forecast(
        label=label(rule),
        subject="net" if hypotheses else "observed",
        suite=scope.suite.name if scope.suite is not None else None,
        slice=rule.slice,
        must_prove=rule.must_prove and bool(hypotheses),
    )
    return replace(plain, passes_unchanged=hypotheses[0].alpha, by_chance=True) if hypotheses else plain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One hypothesis and everything that is assumed about it."""

    declared: Declared
    hypothesis: Hypothesis
    failing_alpha: float
    given: Measured | None
    """What was measured on the suite, if anything."""
    churn: float
    cases: int | None

    def forecast(self) -> Forecast:
        """Put numbers to what is asked."""
        asked, evidence, plain = self.hypothesis, self.evidence, self._plain()
        match asked.measure:
            case "score":
                result = self._score(plain)
            case "flips":
                result = self._flips(plain)
            case "shift":
                result = plain if asked.metric == "length" else self._shift(plain)
            case _:
                result = self._drop(plain) if asked.margin > 0 else self._gain(plain)
        return result if evidence.clusters is None else self._of_clusters(result)

    @property
    def evidence(self) -> Evidence:
        """The cases and clusters to plan with."""
        found = Evidence.of(self.hypothesis, self.declared.scope)
        if self.cases is None or found.cases == 0:
            return found
        return found.scaled(self.cases / len(self.declared.scope.suites[self.hypothesis.suite].cases))

    @property
    def flips(self) -> float:
        """The share of flips to plan with. A round has none to tell of properties, only of scores."""
        return self.churn if self.given is None or self.hypothesis.measure == "shift" else self.given.churn

    def _plain(self) -> Forecast:
        asked, evidence, rule = self.hypothesis, self.evidence, self.declared.rule
        facts = self.declared.scope.suites[asked.suite]
        as_if_binary = asked.measure != "shift" and (not facts.binary or facts.metric in CORPUS_METRICS)
        return Forecast(
            label=label(rule),
            subject="length" if asked.measure == "shift" else "drop",
            suite=asked.suite,
            slice=asked.slice,
            cases=evidence.cases,
            clusters=evidence.clusters,
            is_relative=asked.relative,
            as_if_binary=as_if_binary,
            fewest=None if (fewest := fewest_units(asked)) is None else evidence.at_least(fewest),
            must_prove=rule.must_prove,
        )

    def _of_clusters(self, result: Forecast) -> Forecast:
        """What is different where clusters are counted: there is a least number of them, and luck is no plan."""
        few, needed = result.units < MIN_CLUSTERS, result.cases_needed
        if needed is not None:
            result = replace(result, cases_needed=max(needed, MIN_CLUSTERS))
        if few and result.subject != "length":
            return replace(result, passes_unchanged=0.0, by_chance=False, is_exact=True, passes_at=None)
        if result.is_hopeless and result.passes_unchanged is not None:
            # Too few to pass without a single flip. As many independent cases may still pass by a lucky gain, but
            # the means of whole clusters hardly vary so much: the cautious end is that they never do.
            return replace(result, passes_unchanged=0.0)
        return result

    def _with_flips(self, plain: Forecast) -> Forecast:
        measured = self.given is not None and self.hypothesis.measure != "shift"
        exact = plain.clusters is None and plain.units <= EXACT_CHANCE_MAX_N
        return replace(
            plain,
            churn=self.flips,
            is_measured=measured,
            is_exact=exact and not plain.as_if_binary and not plain.is_relative,
        )

    def _drop(self, plain: Forecast) -> Forecast:
        asked, units, scale, score = self.hypothesis, plain.units, 1.0, None
        if asked.relative:
            score = self.given.score if self.given is not None and self.given.score else 1.0
            scale = score
        margin = asked.margin * scale
        passes = _chance(units, churn=self.flips, margin=margin, alpha=asked.alpha)
        fails = self._detectable(units, asked.fail_margin * scale, self.failing_alpha)
        rule = self.declared.rule
        if isinstance(rule, MaxDrop) and rule.fail_null == "zero" and fails is not None:
            # It must also be over the limit as observed, which is no test but must happen as often.
            over = smallest_detectable_drop(units, self.flips, margin=margin, alpha=_EVEN)
            fails = None if over is None else max(fails, over)
        if isinstance(rule, MaxDrop) and rule.fail_null == "any":
            # A small drop can be proven and yet be within the limit: then failing goes first.
            by_mistake = self.failing_alpha
            if units <= EXACT_CHANCE_MAX_N:
                # Proving a drop of an unchanged model is as likely as proving a gain.
                by_mistake = chance_to_pass(units, churn=self.flips, margin=0.0, alpha=self.failing_alpha)
            passes = min(passes, 1 - by_mistake)
        return replace(
            self._with_flips(plain),
            base_score=score,
            passes_unchanged=passes,
            fails_at=fails,
            cases_needed=cases_for_power(churn=self.flips, margin=margin, alpha=asked.alpha),
        )

    def _gain(self, plain: Forecast) -> Forecast:
        asked, units = self.hypothesis, plain.units
        return replace(
            self._with_flips(plain),
            subject="gain",
            passes_unchanged=self.declared.rule.level(self.declared.scope),
            by_chance=True,
            # A gain is a drop of the other arm.
            passes_at=self._detectable(units, -asked.margin, asked.alpha),
        )

    def _score(self, plain: Forecast) -> Forecast:
        asked, units, required = self.hypothesis, plain.units, self.hypothesis.score or 0.0
        score = None if self.given is None else self.given.score
        return replace(
            plain,
            subject="score",
            base_score=score,
            passes_unchanged=None
            if score is None
            else chance_share_passes(units, share=score, threshold=required, alpha=asked.alpha),
            is_exact=plain.clusters is None and not plain.as_if_binary,
            passes_at=share_that_passes(units, threshold=required, alpha=asked.alpha),
            fails_at=share_that_fails(units, threshold=required, alpha=self.failing_alpha),
            cases_needed=None if score is None else cases_for_share(share=score, threshold=required, alpha=asked.alpha),
        )

    def _flips(self, plain: Forecast) -> Forecast:
        asked, units, required = self.hypothesis, plain.units, 1 - self.hypothesis.margin
        kept, alpha = 1 - self.flips / 2, self.hypothesis.alpha
        kept_at_failing = share_that_fails(units, threshold=required, alpha=self.failing_alpha)
        return replace(
            self._with_flips(plain),
            subject="flips",
            passes_unchanged=chance_share_passes(units, share=kept, threshold=required, alpha=alpha),
            is_exact=plain.clusters is None and not plain.as_if_binary,
            fails_at=None if kept_at_failing is None else 1 - kept_at_failing,
            cases_needed=cases_for_share(share=kept, threshold=required, alpha=asked.alpha),
        )

    def _shift(self, plain: Forecast) -> Forecast:
        asked, units, churn = self.hypothesis, plain.units, self.flips
        passes, needed = 0.0, None
        if asked.margin > 0:
            passes = _chance(units, churn=churn, margin=asked.margin, alpha=asked.alpha, both_directions=True)
            # Both directions must be ruled out; half of what may go wrong is left to each.
            each = 1 - (1 - DEFAULT_POWER) / 2
            needed = cases_for_power(churn=churn, margin=asked.margin, alpha=asked.alpha, power=each)
        width = 2 * asked.margin * math.sqrt(units / churn) if churn else math.inf
        level = level_of_each_end(self.failing_alpha, width)
        return replace(
            self._with_flips(plain),
            subject="shift",
            passes_unchanged=passes,
            fails_at=self._detectable(units, asked.fail_margin, level),
            cases_needed=needed,
        )

    def _detectable(self, units: int, margin: float, alpha: float) -> float | None:
        """Smallest drop that is proven to exceed the margin, or gain that exceeds it."""
        if units <= EXACT_CHANCE_MAX_N:
            return smallest_proven_drop(units, churn=self.flips, margin=margin, alpha=alpha)
        return smallest_detectable_drop(units, self.flips, margin=margin, alpha=alpha)


def _chance(units: int, *, churn: float, margin: float, alpha: float, both_directions: bool = False) -> float:
    """Chance that an unchanged candidate passes: exact for few cases, where the approximation is too kind."""
    if units <= EXACT_CHANCE_MAX_N:
        return chance_to_pass(units, churn=churn, margin=margin, alpha=alpha, both_directions=both_directions)
    chance = chance_to_decide(units, churn=churn, margin=margin, alpha=alpha)
    return max(0.0, 2 * chance - 1) if both_directions else chance
