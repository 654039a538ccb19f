"""The parts of a round that show rather than decide: counts, lengths, and the cases that people should read.

Pure: values in, values out. Nothing here judges.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gate import wording
from gate.assemble import Key, Scored, length_unit, property_pairs
from gate.domain import ArmAnswer, ArmName, Case, Distribution, Evidence, Pair, Suite, SuiteSummary
from gate.plan import PlannedSuite
from gate.stats.distribution import length_change
from gate.stats.marginals import swap_ks

EVIDENCE_CASES = 30
"""Cases that a round keeps for people to read; a report shows as many as it has room for."""
_ENDLESS_GAP = 0.2
"""How much larger the candidate's share of cut answers must be than the base's to be a warning."""
_FEWEST_ENDS = 10
"""With fewer answers of an arm such a share says nothing."""


def summarise(planned: PlannedSuite, scored: Scored) -> SuiteSummary:
    """Count what averages hide: invalid, truncated and missing answers of each arm."""
    suite = planned.suite
    mine = [key for key in scored.answers if key[0] == suite.name]

    def by_arm(holds: Callable[[Key], bool]) -> dict[str, int]:
        return {arm: sum(key[2] == arm and holds(key) for key in mine) for arm in scored.arms}

    return SuiteSummary(
        role=suite.role,
        n=len(suite.cases),
        digest=suite.digest,
        scorer=planned.scorer.kind if planned.scorer else None,
        invalid=by_arm(lambda key: key in scored.scores and scored.scores[key].invalid),
        truncated=by_arm(lambda key: scored.answers[key].finish == "length"),
        errors=by_arm(
            lambda key: (
                scored.answers[key].finish == "error" or (key in scored.scores and scored.scores[key].value is None)
            )
        ),
    )


def length_shifts(suites: Sequence[PlannedSuite], scored: Scored, *, alpha: float, seed: int) -> list[Distribution]:
    """How the length of the answers to unlabelled inputs moved, against every other arm."""
    return [
        _length_shift(planned.suite, scored, against, alpha=alpha, seed=seed)
        for planned in suites
        if planned.suite.role == "distribution"
        for against in scored.arms
        if against != "candidate"
    ]


def _length_shift(suite: Suite, scored: Scored, against: ArmName, *, alpha: float, seed: int) -> Distribution:
    pairs = property_pairs(suite, scored, "length", against=against)
    known = [(one.candidate, one.reference) for one in pairs if one.candidate is not None and one.reference is not None]
    ours, theirs = [mine for mine, _ in known], [other for _, other in known]
    change = length_change(ours, theirs, alpha=alpha)
    return Distribution(
        suite=suite.name,
        measure="length",
        unit=length_unit(suite, scored, against),
        arm="candidate",
        against=against,
        n=change.n,
        estimate=change.mean_candidate,
        against_estimate=change.mean_reference,
        change=change.change,
        low=change.low,
        high=change.high,
        level=1 - 2 * alpha,
        p_shape=swap_ks(np.array(ours), np.array(theirs), seed=seed)[1] if change.n > 1 else None,
    )


def endless_warning(scored: Scored) -> str | None:
    """Say so when the candidate runs into the token limit far more often than the base does (P23)."""
    shares: dict[str, float] = {}
    for arm in ("base", "candidate"):
        ends = [one.finish for one in scored.answers.values() if one.arm == arm and one.finish != "error"]
        if len(ends) < _FEWEST_ENDS:
            return None
        shares[arm] = ends.count("length") / len(ends)
    if shares["candidate"] - shares["base"] < _ENDLESS_GAP:
        return None
    return (
        f"The token limit cut {wording.percent(shares['candidate'])} of the candidate's answers and "
        f"{wording.percent(shares['base'])} of the base's: it may not have learned to end an answer, as when the "
        "end-of-turn token is the padding token and was masked in training (P23)."
    )


def choose_evidence(
    suites: Sequence[PlannedSuite], scored: Scored, pairs: dict[str, tuple[Pair, ...]], *, texts: bool = True
) -> tuple[Evidence, ...]:
    """Choose the worst cases: critical ones first, then the largest losses, taken from all suites in turn.

    Taking turns matters: a suite that lost 200 cases would otherwise hide one that lost 5.

    Args:
        suites: The suites of the run.
        scored: The answers and their scores.
        pairs: Suite -> the candidate against the base.
        texts: Whether texts of cases and answers may be shown; else they are left empty.
    """
    queues = []
    for planned in suites:
        name = planned.suite.name
        lost = {pair.case: loss for pair in pairs.get(name, ()) if (loss := _loss(pair)) > 0}
        cases = [case for case in planned.suite.cases if case.id in lost]
        cases.sort(key=lambda case: (not case.critical, -lost[case.id], case.id))
        queues.append([(name, case) for case in cases])
    turns = [queue[turn] for turn in range(EVIDENCE_CASES) for queue in queues if turn < len(queue)]
    chosen = sorted(turns, key=lambda item: not item[1].critical)[:EVIDENCE_CASES]
    evidence = tuple(_evidence(suite, case, scored) for suite, case in chosen)
    return evidence if texts else tuple(_without_texts(one) for one in evidence)


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
        answers={arm: _telling_answer(suite, case, arm, scored=scored) for arm in scored.arms},
    )


def _without_texts(evidence: Evidence) -> Evidence:
    """Keep ids and scores. What a scorer says goes as well: it quotes answers and references."""
    answers = {arm: replace(answer, text="", why="") for arm, answer in evidence.answers.items()}
    return replace(evidence, prompt="", expected="", answers=answers)


def _telling_answer(suite: str, case: Case, arm: ArmName, *, scored: Scored) -> ArmAnswer:
    """Of several repeats, the candidate's worst and any other arm's best: that is what was lost."""
    sign = 1 if arm == "candidate" else -1
    scores = sorted(scored.scores_of(suite, case.id, arm), key=lambda one: sign * (one.value or 0.0))
    answer = scored.answers[suite, case.id, arm, scores[0].repeat]
    return ArmAnswer(text=answer.text, score=scores[0].value, why=scores[0].why, finish=answer.finish)
