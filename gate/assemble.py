"""From answers to the parts of a round: scores, pairs, summaries, and the cases that people should read.

Pure: values in, values out. Nothing here decides.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gate import wording
from gate.domain import (
    ArmAnswer,
    ArmName,
    Case,
    Distribution,
    Evidence,
    Pair,
    Response,
    Score,
    Suite,
    SuiteSummary,
)
from gate.errors import RecordsError
from gate.plan import PlannedSuite
from gate.scorers import AnyScorer
from gate.scorers.text import strip_thinking
from gate.stats.distribution import length_change

ARMS: tuple[ArmName, ...] = ("base", "candidate")
EVIDENCE_CASES = 10
"""Cases shown to people in a round."""

_NAMED_AT_MOST = 3

StripThinking = Literal["auto"] | bool

Key = tuple[str, str, ArmName]
"""Suite, case, arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Everything that was answered, and what it is worth."""

    answers: Mapping[Key, Response]
    scores: Mapping[Key, Score]
    """Without the suites of unlabelled inputs."""
    pairs: Mapping[str, tuple[Pair, ...]]
    """Suite -> candidate against base, case by case."""


def score_all(suites: Sequence[PlannedSuite], responses: Sequence[Response], *, strip: StripThinking) -> Scored:
    """Score every answer and pair the arms.

    Args:
        suites: The suites of the run.
        responses: The answers of both arms; suites that are not in the run are ignored.
        strip: Whether a leading block of reasoning is removed before scoring.

    Raises:
        RecordsError: If an arm's cases are not exactly those of a suite.
    """
    answers = _index(suites, responses)
    scores = {
        key: _score(planned.scorer, case, answers[key], strip=strip)
        for planned in suites
        if planned.scorer is not None
        for case in planned.suite.cases
        for arm in ARMS
        if (key := (planned.suite.name, case.id, arm))
    }
    pairs = {one.suite.name: _pair(one.suite, scores) for one in suites if one.scorer is not None}
    return Scored(answers=answers, scores=scores, pairs=pairs)


def _index(suites: Sequence[PlannedSuite], responses: Sequence[Response]) -> dict[Key, Response]:
    repeated = next((one for one in responses if one.repeat), None)
    if repeated is not None:
        raise RecordsError(
            f"{repeated.suite}/{repeated.case}: a second answer of the arm {repeated.arm!r} (repeat {repeated.repeat})",
            fix="Keep one answer for each case and arm.",
        )
    recorded: dict[tuple[str, ArmName], set[str]] = defaultdict(set)
    for response in responses:
        recorded[response.suite, response.arm].add(response.case)
    for planned in suites:
        wanted = {case.id for case in planned.suite.cases}
        for arm in ARMS:
            found = recorded[planned.suite.name, arm]
            if found != wanted:
                raise RecordsError(
                    f"the answers of the arm {arm!r} are not those of the suite {planned.suite.name!r}: "
                    + " and ".join(_difference(wanted, found)),
                    fix="Answer the suite again, or compare with the cases that were answered (see --suite).",
                )
    names = {planned.suite.name for planned in suites}
    return {(one.suite, one.case, one.arm): one for one in responses if one.suite in names}


def _difference(wanted: set[str], found: set[str]) -> Iterator[str]:
    for ids, what in ((wanted - found, "missing"), (found - wanted, "not in the suite")):
        if ids:
            yield f"{wording.count(len(ids), 'case')} {what} ({', '.join(sorted(ids)[:_NAMED_AT_MOST])})"


def _score(scorer: AnyScorer, case: Case, response: Response, *, strip: StripThinking) -> Score:
    def score(value: float | None, why: str, *, invalid: bool = False) -> Score:
        return Score(
            suite=response.suite,
            case=case.id,
            arm=response.arm,
            repeat=response.repeat,
            value=value,
            why=why,
            invalid=invalid,
        )

    if response.finish == "error":
        return score(None, f"no answer: {response.error or 'unknown error'}")
    reading = scorer.score(case, response.text if strip is False else strip_thinking(response.text))
    return score(reading.value, reading.why, invalid=reading.invalid)


def _pair(suite: Suite, scores: Mapping[Key, Score]) -> tuple[Pair, ...]:
    return tuple(
        Pair(
            case=case.id,
            cluster=case.cluster,
            tags=case.tags,
            critical=case.critical,
            candidate=scores[suite.name, case.id, "candidate"].value,
            reference=scores[suite.name, case.id, "base"].value,
        )
        for case in suite.cases
    )


def summarise(planned: PlannedSuite, scored: Scored) -> SuiteSummary:
    """Count what averages hide: invalid, truncated and missing answers of each arm."""
    suite = planned.suite
    finish = {key: answer.finish for key, answer in scored.answers.items()}

    def by_arm(holds: Callable[[Key], bool]) -> dict[str, int]:
        return {arm: sum(holds((suite.name, case.id, arm)) for case in suite.cases) for arm in ARMS}

    return SuiteSummary(
        role=suite.role,
        n=len(suite.cases),
        digest=suite.digest,
        scorer=planned.scorer.kind if planned.scorer else None,
        invalid=by_arm(lambda key: key in scored.scores and scored.scores[key].invalid),
        truncated=by_arm(lambda key: finish[key] == "length"),
        errors=by_arm(lambda key: finish[key] == "error"),
    )


def distributions(suites: Sequence[PlannedSuite], scored: Scored, *, alpha: float) -> tuple[Distribution, ...]:
    """How the length of the answers to unlabelled inputs moved."""
    shifts = []
    for planned in suites:
        if planned.suite.role != "distribution":
            continue
        keys = [(planned.suite.name, case.id) for case in planned.suite.cases]
        lengths = [(scored.answers[*key, "candidate"].tokens, scored.answers[*key, "base"].tokens) for key in keys]
        known = [(mine, other) for mine, other in lengths if mine is not None and other is not None]
        change = length_change([mine for mine, _ in known], [other for _, other in known], alpha=alpha)
        shifts.append(
            Distribution(
                suite=planned.suite.name,
                measure="length_tokens",
                arm="candidate",
                against="base",
                n=change.n,
                estimate=change.mean_candidate,
                against_estimate=change.mean_reference,
                change=change.change,
                low=change.low,
                high=change.high,
                level=1 - 2 * alpha,
            )
        )
    return tuple(shifts)


def choose_evidence(suites: Sequence[PlannedSuite], scored: Scored) -> tuple[Evidence, ...]:
    """Choose the worst cases: critical ones first, then the largest losses, taken from all suites in turn.

    Taking turns matters: a suite that lost 200 cases would otherwise hide one that lost 5.
    """
    queues = []
    for planned in suites:
        name = planned.suite.name
        lost = {pair.case: loss for pair in scored.pairs.get(name, ()) if (loss := _loss(pair)) > 0}
        cases = [case for case in planned.suite.cases if case.id in lost]
        cases.sort(key=lambda case: (not case.critical, -lost[case.id], case.id))
        queues.append([(name, case) for case in cases])
    turns = [queue[turn] for turn in range(EVIDENCE_CASES) for queue in queues if turn < len(queue)]
    chosen = sorted(turns, key=lambda item: not item[1].critical)[:EVIDENCE_CASES]
    return tuple(_evidence(suite, case, scored) for suite, case in chosen)


def _loss(pair: Pair) -> float:
    return 0.0 if pair.candidate is None or pair.reference is None else pair.reference - pair.candidate


def _evidence(suite: str, case: Case, scored: Scored) -> Evidence:
    expected = " | ".join(case.references)
    if case.expected is not None and not expected:
        expected = {"answer": "an answer", "refuse": "a refusal"}[case.expected]
    return Evidence(
        suite=suite,
        case=case.id,
        prompt=case.messages[-1].content,
        expected=expected,
        critical=case.critical,
        answers={
            arm: ArmAnswer(
                text=scored.answers[suite, case.id, arm].text,
                score=scored.scores[suite, case.id, arm].value,
                why=scored.scores[suite, case.id, arm].why,
                finish=scored.answers[suite, case.id, arm].finish,
            )
            for arm in ARMS
        },
    )
