from dataclasses import replace

from builders import a_finding, a_round, a_suite_summary, an_evidence

from gate.domain import Evidence
from gate.report import choice


def test_advice__each_piece_once_and_none_from_what_passed() -> None:
    findings = (
        a_finding(advice=("never",)),
        a_finding(outcome="inconclusive", advice=("more cases", "replay")),
        a_finding(outcome="fail", advice=("replay", "fewer epochs")),
    )
    assert choice.advice(a_round(findings=findings)) == ("replay", "fewer epochs", "more cases")


def evidence(suite: str, count: int) -> tuple[Evidence, ...]:
    return tuple(an_evidence(suite=suite, case=f"{suite}-{number}") for number in range(count))


def test_case_groups__no_suite_hides_another() -> None:
    round_ = a_round(
        suites={"json": a_suite_summary(), "facts": a_suite_summary(), "lists": a_suite_summary()},
        evidence=(*evidence("json", 30), *evidence("facts", 2), *evidence("lists", 30)),
        findings=(a_finding(outcome="fail"), a_finding(suite="json")),
    )
    groups = choice.case_groups(round_)
    assert [(group.suite, len(group.cases)) for group in groups] == [("facts", 2), ("json", 4), ("lists", 4)]
    assert [group.broke for group in groups] == [1, None, None]
    assert groups[1].cases == evidence("json", 4)
    assert choice.case_groups(round_, 1)[0].cases == evidence("facts", 1)
    assert choice.case_groups(round_, 0) == ()


def test_case_groups__a_critical_case_comes_before_the_turns() -> None:
    (late,) = evidence("lists", 1)
    round_ = a_round(
        suites={"json": a_suite_summary(), "lists": a_suite_summary()},
        evidence=(*evidence("json", 30), replace(late, critical=True)),
        findings=(a_finding(suite="json", outcome="fail"),),
    )
    assert [(group.suite, len(group.cases)) for group in choice.case_groups(round_, 1)] == [("lists", 1)]
