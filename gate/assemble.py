"""From answers to pairs: every answer scored, repeats averaged, arms put side by side case by case.

Pure: values in, values out. Nothing here decides.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from gate import wording
from gate.domain import ArmName, Case, Pair, Response, Score, Suite
from gate.engine.chat_template import BEGUN_BY_PROMPT, REASONING
from gate.errors import RecordsError
from gate.plan import PlannedSuite
from gate.scorers import AnyScorer, Classification, Recorded
from gate.scorers.properties import Property, answer_format, share_of
from gate.scorers.text import strip_thinking

_NAMED_AT_MOST = 3

StripThinking = Literal["auto"] | bool
"""`auto`: where an answer shows that it begins with reasoning. True: every answer does, whether it shows or not."""

Key = tuple[str, str, ArmName, int]
"""Suite, case, arm, repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Everything that was answered, and what it is worth."""

    arms: tuple[ArmName, ...]
    answers: Mapping[Key, Response]
    scores: Mapping[Key, Score]
    """Without the suites of unlabelled inputs."""
    repeats: Mapping[tuple[str, ArmName], int]
    """Suite and arm -> answers to each case."""
    strip: StripThinking

    def answers_to(self, suite: str, case: str, arm: ArmName) -> Iterator[Response]:
        """One arm's answers to one case, repeat by repeat."""
        return (self.answers[suite, case, arm, repeat] for repeat in range(self.repeats[suite, arm]))

    def scores_of(self, suite: str, case: str, arm: ArmName) -> Iterator[Score]:
        """What these answers are worth."""
        return (self.scores[suite, case, arm, repeat] for repeat in range(self.repeats[suite, arm]))

    def text(self, response: Response) -> str:
        """The answer proper, as scorers see it."""
        return response.text if self.strip is False else strip_thinking(response.text, begun=self.strip is True)


def strip_rule(wanted: StripThinking, environment: Mapping[str, str]) -> StripThinking:
    """What is removed before scoring: a prompt that begins the reasoning leaves no tag in answers to know it by.

    Args:
        wanted: As configured.
        environment: What is known of how the answers were made.
    """
    return True if wanted == "auto" and environment.get(REASONING) == BEGUN_BY_PROMPT else wanted


def score_all(
    suites: Sequence[PlannedSuite], responses: Sequence[Response], *, arms: Sequence[ArmName], strip: StripThinking
) -> Scored:
    """Score every answer.

    Args:
        suites: The suites of the run.
        responses: The answers of all arms; suites that are not in the run are ignored.
        arms: Who has to have answered.
        strip: Whether a leading block of reasoning is removed before scoring.

    Raises:
        RecordsError: If an arm's cases are not exactly those of a suite, or some have more repeats than others.
    """
    names = {planned.suite.name for planned in suites}
    answers = {(one.suite, one.case, one.arm, one.repeat): one for one in responses if one.suite in names}
    repeats = _count_repeats(suites, answers, arms)
    _refuse_unfit_scores(suites, answers)
    unscored = Scored(arms=tuple(arms), answers=answers, scores={}, repeats=repeats, strip=strip)
    scores = {
        (answer.suite, case.id, arm, answer.repeat): _score(planned.scorer, case, answer, text=unscored.text(answer))
        for planned in suites
        if planned.scorer is not None
        for case in planned.suite.cases
        for arm in arms
        for answer in unscored.answers_to(planned.suite.name, case.id, arm)
    }
    return Scored(arms=tuple(arms), answers=answers, scores=scores, repeats=repeats, strip=strip)


def score_pairs(planned: PlannedSuite, scored: Scored, against: ArmName) -> tuple[Pair, ...]:
    """Put the candidate's scores beside another arm's. A case with a repeat that has no score is missing."""
    suite = planned.suite
    labelled = isinstance(planned.scorer, Classification)
    pairs = []
    for case in suite.cases:
        ours, theirs = (tuple(scored.scores_of(suite.name, case.id, arm)) for arm in ("candidate", against))
        pairs.append(
            Pair(
                case=case.id,
                cluster=case.cluster,
                tags=case.tags,
                critical=case.critical,
                candidate=_mean([score.value for score in ours]),
                reference=_mean([score.value for score in theirs]),
                truth=_truth(planned.scorer, case),
                candidate_labels=tuple(score.label for score in ours) if labelled else (),
                reference_labels=tuple(score.label for score in theirs) if labelled else (),
            )
        )
    return tuple(pairs)


def property_pairs(suite: Suite, scored: Scored, measure: Property, *, against: ArmName) -> tuple[Pair, ...]:
    """Put a property of the candidate's answers beside that of another arm's.

    Formats come as labels of the first repeat. Lengths are counted in tokens, or in characters where any answer's
    tokens are not known.
    """
    ours, theirs = (
        {case.id: tuple(scored.answers_to(suite.name, case.id, arm)) for case in suite.cases}
        for arm in ("candidate", against)
    )
    in_tokens = length_unit(suite, scored, against) == "tokens"

    def value(answers: Sequence[Response]) -> float | None:
        if measure == "format" or any(answer.finish == "error" for answer in answers):
            return None
        if measure == "length":
            return fmean((answer.tokens or 0) if in_tokens else len(scored.text(answer)) for answer in answers)
        return fmean(share_of(measure, answer, scored.text(answer)) for answer in answers)

    def labels(answers: Sequence[Response]) -> tuple[str, ...]:
        if measure != "format" or answers[0].finish == "error":
            return ()
        return (answer_format(scored.text(answers[0])),)

    return tuple(
        Pair(
            case=case.id,
            cluster=case.cluster,
            tags=case.tags,
            critical=case.critical,
            candidate=value(ours[case.id]),
            reference=value(theirs[case.id]),
            candidate_labels=labels(ours[case.id]),
            reference_labels=labels(theirs[case.id]),
        )
        for case in suite.cases
    )


def _refuse_unfit_scores(suites: Sequence[PlannedSuite], answers: Mapping[Key, Response]) -> None:
    for planned in suites:
        if isinstance(planned.scorer, Recorded):
            name = planned.suite.name
            given = (one.scores for one in answers.values() if one.suite == name and one.finish != "error")
            if (objection := planned.scorer.objection(given)) is not None:
                raise RecordsError(f"suites.{name}: {objection}")


def length_unit(suite: Suite, scored: Scored, against: ArmName) -> Literal["tokens", "characters"]:
    """What the lengths of two arms' answers are counted in: tokens, unless those of any answer are not known."""
    answers = (
        answer
        for case in suite.cases
        for arm in ("candidate", against)
        for answer in scored.answers_to(suite.name, case.id, arm)
    )
    known = all(answer.tokens is not None for answer in answers if answer.finish != "error")
    return "tokens" if known else "characters"


def _count_repeats(
    suites: Sequence[PlannedSuite], answers: Mapping[Key, Response], arms: Sequence[ArmName]
) -> dict[tuple[str, ArmName], int]:
    recorded: dict[tuple[str, ArmName], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for suite, case, arm, repeat in answers:
        recorded[suite, arm][case].add(repeat)
    counts: dict[tuple[str, ArmName], int] = {}
    for planned in suites:
        name, wanted = planned.suite.name, {case.id for case in planned.suite.cases}
        for arm in arms:
            found = recorded[name, arm]
            if found.keys() != wanted:
                raise RecordsError(
                    f"the answers of the arm {arm!r} are not those of the suite {name!r}: "
                    + " and ".join(_difference(wanted, set(found))),
                    fix="Answer the suite again, or compare with the cases that were answered (see --suite).",
                )
            count = max((len(repeats) for repeats in found.values()), default=1)
            odd = next((case for case, repeats in found.items() if repeats != set(range(count))), None)
            if odd is not None:
                raise RecordsError(
                    f"{name}/{odd}: the arm {arm!r} has {wording.count(len(found[odd]), 'answer')} "
                    f"(repeats {', '.join(map(str, sorted(found[odd])))}) where other cases have {count}",
                    fix="Every case needs the same repeats, counted from 0.",
                )
            counts[name, arm] = count
    return counts


def _difference(wanted: set[str], found: set[str]) -> Iterator[str]:
    for ids, what in ((wanted - found, "missing"), (found - wanted, "not in the suite")):
        if ids:
            yield f"{wording.count(len(ids), 'case')} {what} ({', '.join(sorted(ids)[:_NAMED_AT_MOST])})"


def _score(scorer: AnyScorer, case: Case, response: Response, *, text: str) -> Score:
    def score(value: float | None, why: str, *, invalid: bool = False, label: str | None = None) -> Score:
        return Score(
            suite=response.suite,
            case=case.id,
            arm=response.arm,
            repeat=response.repeat,
            value=value,
            why=why,
            invalid=invalid,
            label=label,
        )

    if response.finish == "error":
        return score(None, f"no answer: {response.error or 'unknown error'}")
    if isinstance(scorer, Recorded):
        given = scorer.read_recorded(response.scores)
        return score(None, given) if isinstance(given, str) else score(given.value, given.why, invalid=given.invalid)
    reading = scorer.score(case, text)
    return score(reading.value, reading.why, invalid=reading.invalid, label=reading.label)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _truth(scorer: AnyScorer | None, case: Case) -> str | None:
    return scorer.label(case.references[0]) if isinstance(scorer, Classification) else None
