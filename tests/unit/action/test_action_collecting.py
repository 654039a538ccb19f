"""What is told of a work folder that somebody else may have written to."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_finding, a_round

from gate import report
from gate.action.collecting import collect
from gate.errors import BrokenRun, RecordsError
from gate.report import Problem
from gate.work_folder import ActionPlan, JudgedAdapter, StepName, WorkFolder, base_note, problem_of

COMMIT = "91ab33c0" * 5
PASSING = a_round(findings=(a_finding(guards=True),))
PLAN = ActionPlan(
    config="gate.yaml",
    config_commit="1" * 40,
    candidate_commit=COMMIT,
    judged=(JudgedAdapter(slug="a", adapter="adapters/a"),),
    replaces=False,
    bootstrap=False,
    notes=(),
)


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    """A folder with a plan and the passing round of its only adapter."""
    found = WorkFolder(tmp_path / "gate")
    found.clear()
    found.write_plan(PLAN)
    leave(found, report.dump(PASSING))
    return found


def leave(work: WorkFolder, text: str) -> Path:
    path = work.round_folder(PLAN.judged[0]) / "round.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("step", ["answer", "compare"])
def test_collect__a_step_that_broke_off_answers_for_no_round(work: WorkFolder, step: StepName) -> None:
    assert collect(work).judged[0].outcome == "pass"
    work.write_problem(problem_of(BrokenRun("no container"), step, exit_code=4))
    (one,) = collect(work).judged
    assert isinstance(one.result, Problem)
    assert (one.result.step, one.result.exit_code, one.result.message) == (step, 4, "no container")


def test_collect__that_the_candidate_brought_its_configuration_is_said_first_and_once(work: WorkFolder) -> None:
    plan = replace(PLAN, bootstrap=True, notes=(PLAN.bootstrap_note, "Something else."))
    work.write_plan(plan)
    found = collect(work)
    assert (found.cautions, found.notes) == ((PLAN.bootstrap_note,), ("Something else.",))


def test_collect__that_the_candidate_brought_its_base_is_said_first_and_once(work: WorkFolder) -> None:
    caution = base_note("model")
    work.write_plan(replace(PLAN, changed_base="model", notes=("Something else.", caution)))
    found = collect(work)
    assert (found.cautions, found.notes) == ((caution,), ("Something else.",))


@pytest.mark.parametrize(("kind", "said"), [("huge", "longer than 8 MiB"), ("link", "not followed")])
def test_collect__a_round_is_read_as_one_of_a_stranger(work: WorkFolder, kind: str, said: str) -> None:
    path = leave(work, '{"comment": "' + "x" * 10_000_000 + '"}')
    if kind == "link":
        path.unlink()
        path.symlink_to("/etc/passwd")
    with pytest.raises(RecordsError, match=said):
        collect(work)


def test_collect__a_round_of_another_commit_is_refused(work: WorkFolder) -> None:
    leave(work, report.dump(replace(PASSING, commit="0" * 40)))
    with pytest.raises(RecordsError, match="another commit than plan.json"):
        collect(work)
