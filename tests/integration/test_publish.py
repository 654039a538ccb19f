"""`gate publish` as a step of a workflow runs it, against a GitHub on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import a_failing_round, a_finding, a_hostile_round, a_round
from fake_github import TOKEN, FakeGitHub, Trouble, fake_github
from github_events import payload, variables

from gate import report
from gate.domain import Round

PASSING = a_round(findings=(a_finding(guards=True),))
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
COMMENTS = "/repos/Codertocat/Hello-World/issues/2/comments"
NOT_ALLOWED = (
    "Resource not accessible by integration; the token needs one of these permissions: issues: write or "
    "pull-requests: write. The run of a fork may only read; publish from `workflow_run`.\n"
)


@dataclass(frozen=True)
class Step:
    """What a step of a workflow left."""

    code: int
    out: str
    err: str
    outputs: dict[str, str]
    summary: str


@dataclass
class Workflow:
    """A workflow run of the pull request's event, whose steps are processes of their own."""

    folder: Path
    fake: FakeGitHub
    event: str = "pull_request"
    payload: object = None
    token: str = TOKEN

    def publish(self, *rounds: Round | Path, options: tuple[str, ...] = (), **more: str) -> Step:
        paths = [one if isinstance(one, Path) else self.write(one, index) for index, one in enumerate(rounds)]
        output, summary = self.folder / "output", self.folder / "summary"
        output.unlink(missing_ok=True)
        summary.unlink(missing_ok=True)
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **variables(self.folder, self.event, self.payload or payload(self.event)),
            "GITHUB_API_URL": self.fake.api_url,
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_TOKEN": self.token,
            **more,
        }
        command = [sys.executable, "-P", "-m", "gate", "publish", *map(str, paths), *options]
        ran = subprocess.run(command, env=environ, cwd=self.folder, capture_output=True, text=True, check=False)
        assert TOKEN not in ran.stdout + ran.stderr
        lines = output.read_text().splitlines() if output.exists() else []
        told = summary.read_text() if summary.exists() else ""
        return Step(ran.returncode, ran.stdout, ran.stderr, dict(line.split("=", 1) for line in lines), told)

    def write(self, round_: Round, index: int = 0) -> Path:
        path = self.folder / f"round{index}.json"
        path.write_text(report.dump(round_), encoding="utf-8")
        return path


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Workflow]:
    with fake_github() as fake:
        yield Workflow(tmp_path, fake)


def test_publish__one_comment_from_red_to_green(workflow: Workflow) -> None:
    red = workflow.publish(a_failing_round())
    assert (red.code, red.out) == (0, "")
    (body,) = workflow.fake.bodies()
    assert body.startswith("<!-- gate -->\n\n> [!CAUTION]")
    again = workflow.publish(a_failing_round())
    assert workflow.fake.methods() == ["POST"]
    green = workflow.publish(PASSING)
    assert "[!TIP]" in workflow.fake.bodies()[0]
    assert workflow.fake.methods() == ["POST", "PATCH"]
    (comment,) = workflow.fake.comments.values()
    for step, verdict, code in ((red, "fail", "1"), (again, "fail", "1"), (green, "pass", "0")):
        assert step.outputs["comment-url"] == comment["html_url"]
        assert (step.outputs["verdict"], step.outputs["exit-code"]) == (verdict, code)
        assert step.outputs["passed"] == str(verdict == "pass").lower()
        assert step.outputs["comment-file-written"] == "false"
        assert step.err == f"gate: Comment: {comment['html_url']}\n"
        assert "<!--" not in step.summary
        assert "| facts" in step.summary


def test_publish__several_rounds_share_a_comment_and_the_worst_counts(workflow: Workflow) -> None:
    step = workflow.publish(PASSING, a_failing_round(), options=("--comment-id", "a", "--check-run"))
    assert step.code == 0
    assert len(workflow.fake.comments) == 1
    assert workflow.fake.bodies()[0].startswith("<!-- gate: a -->\n")
    assert step.outputs["verdict"] == "fail"
    (check,) = workflow.fake.checks.values()
    assert (check["name"], check["conclusion"], check["head_sha"]) == ("gate verdict (a)", "failure", HEAD)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("read_only", f"No comment: POST {COMMENTS}: HTTP 403: {NOT_ALLOWED}"),
        ("no_token", "Nothing is posted: GITHUB_TOKEN is not set.\n"),
        ("not_found", f"No comment: GET {COMMENTS}: HTTP 404: trouble. The run of"),
    ],
)  # fmt: skip
def test_publish__a_fork_may_only_read_which_is_no_failure(workflow: Workflow, why: str, said: str) -> None:
    content = payload("pull_request")
    content["pull_request"]["head"]["repo"]["full_name"] = "somebody/Hello-World"
    workflow.payload = content
    workflow.fake.add_proposal(content["pull_request"])
    workflow.fake.read_only = why == "read_only"
    workflow.token = "" if why == "no_token" else TOKEN
    workflow.fake.troubles = [Trouble("GET", path="/comments", status=404)] if why == "not_found" else []
    step = workflow.publish(a_failing_round(), options=("--comment-file", "comment.md", "--check-run"))
    assert step.code == 0
    assert said in step.err
    assert "[!CAUTION]" in step.summary
    assert (step.outputs["comment-url"], step.outputs["comment-file-written"]) == ("", "true")
    assert step.outputs["verdict"] == "fail"
    assert (workflow.folder / "comment.md").read_text().startswith("<!-- gate -->\n")
    assert not workflow.fake.comments


def test_publish__a_server_that_is_down_hides_nothing(workflow: Workflow) -> None:
    workflow.fake.troubles = [Trouble("GET", path="/user", status=502, headers={"retry-after": "500"})]
    step = workflow.publish(a_failing_round())
    assert step.code == 4
    assert "GitHub is out of order (GET /user: HTTP 502: trouble)" in step.err
    assert "Traceback" not in step.err
    assert step.outputs["verdict"] == "fail"
    assert "[!CAUTION]" in step.summary


def test_publish__a_token_that_is_none(workflow: Workflow) -> None:
    workflow.token = "ghp_expired"  # noqa: S105 - of nobody
    step = workflow.publish(PASSING)
    assert step.code == 4
    assert "GitHub refused the comment: GET /repos/Codertocat/Hello-World/pulls: HTTP 401: Bad credentials" in step.err
    assert "ghp_expired" not in step.err


def after_fork(workflow: Workflow) -> None:
    content = payload("workflow_run")
    content["workflow_run"] |= {"head_branch": "fix", "head_sha": HEAD}
    content["workflow_run"]["head_repository"]["full_name"] = "somebody/Hello-World"
    workflow.event, workflow.payload = "workflow_run", content
    workflow.fake.pulls.clear()
    workflow.fake.add_pull(8, HEAD, head="somebody/Hello-World", branch="fix")
    workflow.fake.add_pull(9, "f" * 40, head="Codertocat/Hello-World", branch="main")


def test_publish__what_a_fork_left_is_rendered_here_and_goes_to_its_own_pull_request(workflow: Workflow) -> None:
    after_fork(workflow)
    round_ = a_hostile_round("@org/team ![](https://evil.example/x) <!-- gate --> fixes #9 </details>")
    step = workflow.publish(round_, options=("--config", "gate.yaml"))
    assert (step.code, step.out) == (0, "")
    (comment,) = workflow.fake.comments.values()
    assert comment["issue_url"].endswith("/issues/8")
    assert "The numbers come from a run of the fork" in comment["body"]
    assert comment["body"].count("<!-- gate") == 1
    stolen = workflow.publish(round_, options=("--pr-number", "9"))
    assert stolen.code == 3
    assert f"Pull request 9 is not at the commit {HEAD}" in stolen.err
    assert len(workflow.fake.comments) == 1


def test_publish__a_pull_request_that_has_moved_on_gets_nothing(workflow: Workflow) -> None:
    after_fork(workflow)
    workflow.fake.pulls[0]["head"]["sha"] = "e" * 40
    step = workflow.publish(PASSING)
    assert step.code == 0
    assert step.err == f"gate: No comment: no open pull request has the commit {HEAD} at its head.\n"


def test_publish__a_run_that_is_repeated_leaves_the_comment_of_a_newer_commit_alone(workflow: Workflow) -> None:
    workflow.publish(a_failing_round())
    workflow.fake.pulls[0]["head"]["sha"] = "e" * 40
    step = workflow.publish(PASSING)
    assert step.code == 0
    assert f"No comment: no open pull request has the commit {HEAD} at its head." in step.err
    assert step.outputs["comment-url"] == ""
    (body,) = workflow.fake.bodies()
    assert "[!CAUTION]" in body


def test_publish__a_verdict_that_its_findings_do_not_give_is_refused(workflow: Workflow) -> None:
    after_fork(workflow)
    red = a_failing_round()
    step = workflow.publish(replace(red, verdict=PASSING.verdict))
    assert step.code == 3
    assert "The verdict is pass with exit code 0; the findings give fail with exit code 1 or fail with" in step.err
    assert not workflow.fake.asked
    step = workflow.publish(replace(red, verdict=replace(red.verdict, headline="Yes, open.")))
    assert step.code == 0
    (body,) = workflow.fake.bodies()
    assert "> **No, blocked: " in body
    assert "Yes, open" not in body + step.summary


def test_publish__what_a_fork_says_opens_no_check(workflow: Workflow) -> None:
    after_fork(workflow)
    for round_ in (PASSING, a_failing_round()):
        assert workflow.publish(round_, options=("--check-run", "--config", "gate.yaml")).code == 0
    shown = [(check["name"], check["conclusion"], check["head_sha"]) for check in workflow.fake.checks.values()]
    assert shown == [("gate verdict", "neutral", HEAD), ("gate verdict", "failure", HEAD)]
    assert workflow.fake.annotations == []
    assert "another commit than" in workflow.fake.bodies()[0]


@pytest.mark.parametrize(("owner", "passed"), [("somebody", "false"), ("Codertocat", "true")])
def test_publish__what_a_fork_says_sets_no_passed(workflow: Workflow, owner: str, passed: str) -> None:
    after_fork(workflow)
    assert isinstance(workflow.payload, dict)
    workflow.payload["workflow_run"]["head_repository"]["full_name"] = f"{owner}/Hello-World"
    outputs = workflow.publish(PASSING, GITHUB_TOKEN="").outputs
    assert (outputs["verdict"], outputs["exit-code"], outputs["passed"]) == ("pass", "0", passed)


def test_publish__an_event_that_cannot_be_read_sets_no_passed(workflow: Workflow) -> None:
    workflow.event, workflow.payload = "workflow_run", {"workflow_run": {}}
    step = workflow.publish(PASSING)
    assert step.code == 3
    assert (step.outputs["verdict"], step.outputs["passed"]) == ("pass", "false")


@pytest.mark.parametrize(
    ("options", "broken"),
    [
        (("--comment-id", "--"), None),
        (("--comment-file", "missing/comment.md", "--comment", "new"), None),
        ((), "GITHUB_STEP_SUMMARY"),
    ],
)
def test_publish__one_place_that_cannot_be_written_to_hides_no_other(
    workflow: Workflow, options: tuple[str, ...], broken: str | None
) -> None:
    workflow.fake.read_only = "--comment-file" in options
    more = {} if broken is None else {broken: str(workflow.folder)}
    step = workflow.publish(a_failing_round(), options=options, **more)
    assert step.code in (3, 4)
    assert "Traceback" not in step.err
    assert (step.outputs["verdict"], step.outputs["exit-code"]) == ("fail", "1")
    assert len(workflow.fake.comments) == (broken is not None)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("huge", "round.json: longer than 8 MiB, which no round is"),
        ("bomb", "round.json: The stored round cannot be read: nested too deeply"),
        ("markdown", "round.json: The stored round cannot be read: not valid JSON"),
        ("link", "round.json: cannot be read: a link, which is not followed"),
        ("pipe", "round.json: not a plain file"),
        ("folder", "round.json: cannot be read: Is a directory"),
        ("missing", "round.json: cannot be read: No such file or directory"),
    ],
)
def test_publish__what_is_no_round_is_refused_in_a_sentence(workflow: Workflow, kind: str, said: str) -> None:
    after_fork(workflow)
    path = workflow.folder / "round.json"
    match kind:
        case "huge":
            path.write_text('{"comment": "' + "x" * 10_000_000 + '"}')
        case "bomb":
            path.write_text("[" * 500_000)
        case "markdown":
            path.write_text("<!-- gate -->\n# passed")
        case "link":
            path.symlink_to(workflow.write(PASSING))
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    step = workflow.publish(path)
    assert step.code == 3
    assert said in step.err
    assert len(step.err.splitlines()) <= 2
    assert not workflow.fake.asked


def test_publish__no_text_commands_the_runner(workflow: Workflow) -> None:
    text = "x\r::set-output name=passed::true\n::error::y ##[set-output name=passed]true \u3000::stop-commands::z"
    workflow.fake.troubles = [Trouble("GET", status=404, message=text)]
    step = workflow.publish(a_hostile_round(text), options=("--config", "gate.yaml"))
    assert step.code == 0
    assert "##[" not in step.out + step.err
    commands = [
        line for line in (step.out + step.err).replace("\r", "\n").splitlines() if line.lstrip().startswith("::")
    ]
    assert commands
    assert all(line.startswith(("::error ", "::warning ")) for line in commands)
    assert set(step.outputs) == {
        "verdict", "passed", "exit-code", "regressions", "inconclusive", "comment-url", "comment-file-written",
    }  # fmt: skip


def test_publish__a_merge_queue_gets_no_comment_unless_asked_for(workflow: Workflow) -> None:
    workflow.event = "merge_group"
    assert workflow.publish(a_failing_round()).outputs["comment-url"] == ""
    assert not workflow.fake.comments
    assert workflow.publish(a_failing_round(), options=("--comment", "sticky")).outputs["comment-url"] != ""
    (comment,) = workflow.fake.comments.values()
    assert comment["issue_url"].endswith("/issues/104")


def test_publish__an_enterprise_server(tmp_path: Path) -> None:
    with fake_github(prefix="/api/v3") as fake:
        step = Workflow(tmp_path, fake).publish(PASSING, options=("--comment", "new"))
        assert step.code == 0
        assert len(fake.comments) == 1


def test_publish__outside_a_workflow_it_says_so(workflow: Workflow) -> None:
    step = workflow.publish(PASSING, GITHUB_EVENT_NAME="")
    assert step.code == 3
    assert step.err.startswith("gate: GITHUB_EVENT_NAME is not set.\n")
