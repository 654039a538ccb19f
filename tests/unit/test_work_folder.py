"""What steps leave for each other is checked when it is read."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gate.errors import RecordsError, UsageError
from gate.work_folder import ActionPlan, JudgedAdapter, WorkFolder, problem_of, slugs

PLAN = ActionPlan(
    config="gate.yaml",
    config_commit="1" * 40,
    candidate_commit=None,
    judged=(JudgedAdapter(slug="a", adapter="adapters/a"),),
    replaces=False,
    bootstrap=False,
    notes=("One.",),
)


def test_work_folder__what_was_written_is_read(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "gate")
    work.clear()
    assert work.read_plan() is None
    assert work.read_problem() is None
    work.write_plan(PLAN)
    assert work.read_plan() == PLAN
    problem = problem_of(UsageError("what", fix="how"), "answer", exit_code=3, adapter="adapters/a")
    work.write_problem(problem, PLAN.judged[0])
    assert work.read_problem(PLAN.judged[0]) == problem
    assert problem.message == "what\n  how"
    work.clear()
    assert work.read_plan() is None
    assert work.read_problem(PLAN.judged[0]) is None


@pytest.mark.parametrize(
    "change",
    [{"config_commit": "HEAD"}, {"judged": [{"slug": "..", "adapter": "a"}]}, {"schema_version": 2},
     {"judged": [{"slug": "a/b", "adapter": "a"}]}, {"notes": "x" * 2_000_000}],
)  # fmt: skip
def test_read_plan__what_gate_did_not_write_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    work = WorkFolder(tmp_path)
    work.write_plan(PLAN)
    content = json.loads((tmp_path / "plan.json").read_text("utf-8"))
    (tmp_path / "plan.json").write_text(json.dumps(content | change))
    with pytest.raises(RecordsError):
        work.read_plan()


def test_read_plan__a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "plan.json").symlink_to("/etc/passwd")
    with pytest.raises(RecordsError, match="no plain file"):
        WorkFolder(tmp_path).read_plan()


def test_write_plan__a_folder_whose_name_is_no_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    strange = "adapters/\udcff"
    with pytest.raises(UsageError, match=r"adapters/\\udcff is not UTF-8") as refused:
        work.write_plan(replace(PLAN, judged=(JudgedAdapter(slug="a", adapter=strange),)))
    problem = problem_of(refused.value, "answer", exit_code=3, adapter=strange)
    work.write_problem(problem)
    assert work.read_problem() == problem
    work.write_plan(replace(PLAN, notes=(f"{strange} was removed.",)))
    read = work.read_plan()
    assert read is not None
    assert read.notes == ("adapters/\\udcff was removed.",)


def test_drop_rounds__no_verdict_is_left_and_nothing_outside_is_touched(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "round.json").write_text("{}")
    work = WorkFolder(tmp_path / "gate")
    work.write_problem(problem_of(UsageError("what"), "answer", exit_code=3), PLAN.judged[0])
    mine = work.round_folder(PLAN.judged[0])
    for name in ("round.json", "report.md", "responses.jsonl"):
        (mine / name).write_text("{}")
    mine.with_name("linked").symlink_to(outside)
    work.drop_rounds()
    assert sorted(path.name for path in mine.parent.rglob("*")) == ["a", "problem.json", "responses.jsonl"]
    assert (outside / "round.json").exists()


def test_slugs__inert_and_unique() -> None:
    hostile = ["adapters/a", "adapters-a", "ADAPTERS/A", "../..", "\u202e", "x" * 300, "a\n::error::b", "$(id)", "a_b"]
    found = list(slugs(hostile))
    assert len({slug.lower() for slug in found}) == len(hostile)
    assert all(re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,79}", slug) for slug in found)
