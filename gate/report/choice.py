"""What a report shows where it cannot show everything: the cases most worth reading and what to do next.

Texts come out as they went in: untrusted. This module knows no markup.
"""

from dataclasses import dataclass

from gate.domain import Evidence, Round
from gate.report import lookup

SHOWN_CASES = 10
"""Cases that a report shows at most."""
SHOWN_ADVICE = 8
"""Pieces of advice that a report shows at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseGroup:
    """The cases of one suite that are worth reading."""

    suite: str
    broke: int | None
    """Cases of the whole suite that score lower than on the base; None: not counted."""
    cases: tuple[Evidence, ...]


def advice(round_: Round) -> tuple[str, ...]:
    """Collect what to do next according to the rules that did not pass, the worst first, each piece once."""
    pieces = (piece for finding in lookup.worst_first(round_) if finding.outcome != "pass" for piece in finding.advice)
    return tuple(dict.fromkeys(pieces))[:SHOWN_ADVICE]


def case_groups(round_: Round, count: int = SHOWN_CASES) -> tuple[CaseGroup, ...]:
    """Choose cases to show: critical ones, then in turn from every suite, so that no bad suite hides another.

    Args:
        round_: The round; its evidence is in order, the most telling case of a suite first.
        count: Cases altogether.

    Returns:
        The suites with the worst findings first.
    """
    by_suite: dict[str, list[Evidence]] = {}
    for evidence in round_.evidence:
        by_suite.setdefault(evidence.suite, []).append(evidence)
    names = sorted(by_suite, key=lambda name: lookup.severity(lookup.worst(round_, name)))
    turns = sorted(
        (not case.critical, turn, place) for place, name in enumerate(names) for turn, case in enumerate(by_suite[name])
    )
    shown = [place for *_, place in turns[:count]]
    groups = []
    for place, name in enumerate(names):
        if shown.count(place):
            whole = lookup.whole_suite(round_, name)
            cases = tuple(by_suite[name][: shown.count(place)])
            groups.append(CaseGroup(suite=name, broke=whole.regressed if whole else None, cases=cases))
    return tuple(groups)
