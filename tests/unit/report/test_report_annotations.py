from builders import a_failing_round, a_finding, a_round

from gate.domain import Finding
from gate.report import Annotation, Judged, Problem, annotations

PROBLEM = Problem(step="answer", exit_code=3, message="adapters/a: refused\n  Mend it.")


def of(*findings: Finding, adapter: str | None = "adapters/a") -> Judged:
    return Judged(adapter=adapter, result=a_round(findings=findings))


def test_annotations__a_failed_rule_is_an_error_on_its_line() -> None:
    failed = a_finding(outcome="fail", message="Lost -10 pp.", line=14)
    assert annotations([of(failed, a_finding())], config="ci/gate.yaml") == (
        Annotation(
            level="error", file="ci/gate.yaml", line=14, title="max_drop on facts failed", message="Lost -10 pp."
        ),
    )


def test_annotations__what_blocks_nothing_or_proves_nothing_is_a_warning() -> None:
    found = annotations(
        [
            of(
                a_finding(outcome="warn", suite=None, rule="prompt_is_enough"),
                a_finding(outcome="inconclusive", slice="de", line=0),
                a_finding(outcome="fail", blocking=False),
                a_finding(outcome="error"),
            )
        ]
    )
    assert [(one.level, one.line, one.title) for one in found] == [
        ("error", None, "max_drop on facts broke"),
        ("warning", None, "max_drop on facts, slice de could not be decided"),
        ("warning", None, "prompt_is_enough warns"),
        ("warning", None, "max_drop on facts failed (not blocking)"),
    ]


def test_annotations__a_problem_is_about_no_line() -> None:
    assert annotations([Judged(adapter=None, result=PROBLEM)]) == (
        Annotation(
            level="error", file=None, line=None, title="could not be judged (answer, exit code 3)",
            message="adapters/a: refused⏎  Mend it.",
        ),
    )  # fmt: skip


def test_annotations__at_most_ten_of_a_level_in_turn_from_every_adapter() -> None:
    many = [a_finding(outcome="fail", rule=f"r{number}") for number in range(20)]
    undecided = [a_finding(outcome="inconclusive", rule=f"r{number}") for number in range(20)]
    found = annotations([of(*many, *undecided), of(*many[:3], adapter="adapters/b")])
    titles = [one.title for one in found if one.level == "error"]
    assert len(titles) == 10
    assert titles[:2] == ["adapters/a: r0 on facts failed", "adapters/b: r0 on facts failed"]
    assert sum(title.startswith("adapters/b") for title in titles) == 3
    assert sum(one.level == "warning" for one in found) == 10


def test_annotations__long_texts_are_cut() -> None:
    (found,) = annotations([of(a_finding(outcome="fail", rule="r" * 500, message="m" * 5_000))])
    assert len(found.title) < 200
    assert len(found.message) < 1_100


def test_annotations__none_for_an_open_gate() -> None:
    assert annotations([of(a_finding())]) == ()
    assert annotations([]) == ()
    assert {one.level for one in annotations([Judged(adapter="a", result=a_failing_round())])} == {"error"}
