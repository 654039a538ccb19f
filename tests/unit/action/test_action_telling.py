"""What the pull request is told of a work folder that cannot be used."""

from pathlib import Path

import pytest
from builders import a_failing_round, a_finding, a_round
from fake_github import TOKEN, FakeGitHub
from github_events import payload, variables

from gate import report
from gate.action.telling import tell
from gate.errors import RecordsError, UsageError
from gate.report import marker
from gate.work_folder import ActionPlan, JudgedAdapter, WorkFolder

pytest_plugins = ["github_fixtures"]

HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
PLAN = ActionPlan(
    config="gate.yaml",
    config_commit="1" * 40,
    candidate_commit=HEAD,
    judged=(JudgedAdapter(slug="a", adapter="adapters/a"),),
    replaces=False,
    bootstrap=False,
    notes=(),
)
GREEN = f"{marker(None)}\n\n> [!TIP]\n> **Yes, open.**\n"


@pytest.fixture
def environ(fake: FakeGitHub, tmp_path: Path) -> dict[str, str]:
    """Of a workflow run whose pull request has a green comment."""
    fake.add_comment(GREEN)
    work = WorkFolder(tmp_path / "gate")
    work.clear()
    work.write_plan(PLAN)
    path = work.round_folder(PLAN.judged[0]) / "round.json"
    path.parent.mkdir(parents=True)
    path.write_text(report.dump(a_round(commit=HEAD, findings=(a_finding(guards=True),))), encoding="utf-8")
    return {
        **variables(tmp_path, "pull_request", payload("pull_request")),
        "GITHUB_API_URL": fake.api_url,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_TOKEN": TOKEN,
        "GATE_WORK": str(work.path),
    }


@pytest.mark.parametrize("content", ["{}", report.dump(a_failing_round())])
def test_tell__what_cannot_be_read_takes_the_place_of_an_older_verdict(
    fake: FakeGitHub, environ: dict[str, str], content: str
) -> None:
    (Path(environ["GATE_WORK"]) / "rounds" / "a" / "round.json").write_text(content)
    with pytest.raises(RecordsError):
        tell(environ)
    (body,) = fake.bodies()
    assert "could not be judged: the step publish ended with exit code 3" in body
    assert "verdict=error\n" in Path(environ["GITHUB_OUTPUT"]).read_text()


def test_tell__results_of_another_commit_than_the_ended_run_are_refused(
    fake: FakeGitHub, environ: dict[str, str], tmp_path: Path
) -> None:
    content = payload("workflow_run")
    content["workflow_run"] |= {"head_sha": "e" * 40, "head_branch": "changes"}
    content["workflow_run"]["head_repository"]["full_name"] = fake.repository
    fake.pulls[0]["head"]["sha"] = "e" * 40
    with pytest.raises(RecordsError, match=f"about the commit {HEAD}, and the run that has ended about eeee"):
        tell(environ | variables(tmp_path, "workflow_run", content))
    (body,) = fake.bodies()
    assert "[!TIP]" not in body


def test_tell__a_wrong_input_keeps_no_verdict_from_later_jobs(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="input `pr-number`"):
        tell(environ | {"GATE_PR_NUMBER": "two"})
    assert "verdict=pass\n" in Path(environ["GITHUB_OUTPUT"]).read_text()
