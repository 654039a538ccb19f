"""What is told to GitHub, apart from how: outputs, the mark beside the commit, and nothing to gate."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import a_failing_round, a_round, a_verdict
from fake_github import TOKEN, ClientFor, FakeGitHub
from github_events import payload, variables

from gate.domain import Round
from gate.errors import BrokenRun, UsageError
from gate.github.sticky import StickyComment
from gate.outputs import verdict_outputs
from gate.publishing import Channels, Said, Wishes, publish
from gate.report import Judged, Problem, marker

pytest_plugins = ["github_fixtures"]


def judged(*results: Round | Problem) -> list[Judged]:
    return [Judged(adapter=f"adapters/{index}", result=result) for index, result in enumerate(results)]


def a_problem(exit_code: int) -> Problem:
    return Problem(step="answer", exit_code=exit_code, message="It broke.\nMend it.")


UNDECIDED = a_round(verdict=a_verdict(outcome="inconclusive", exit_code=2))
IGNORED = a_round(verdict=a_verdict(outcome="fail", exit_code=0))


@pytest.mark.parametrize(
    ("results", "verdict", "code"),
    [
        ([], "none", 0),
        ([a_round()], "pass", 0),
        ([a_round(), UNDECIDED], "inconclusive", 2),
        ([UNDECIDED, a_failing_round()], "fail", 1),
        ([a_problem(3), a_failing_round()], "error", 3),
        ([a_problem(3), a_problem(4), a_failing_round()], "error", 4),
        ([a_problem(77)], "error", 4),
        ([IGNORED], "fail", 0),
    ],
)
def test_verdict_outputs__the_worst_counts(results: Sequence[Round | Problem], verdict: str, code: int) -> None:
    outputs = verdict_outputs(judged(*results))
    assert (outputs["verdict"], outputs["exit-code"], outputs["passed"]) == (verdict, str(code), str(code == 0).lower())


def tell(
    fake: FakeGitHub,
    folder: Path,
    *results: Round | Problem,
    token: str = TOKEN,
    check_run: bool = False,
    config: str | None = None,
    commit: str | None = None,
    notes: Sequence[str] = (),
    comment_file: Path | None = None,
) -> list[str]:
    said: list[str] = []
    environ = {**variables(folder, "pull_request", payload("pull_request")), "GITHUB_API_URL": fake.api_url}
    environ |= {"GITHUB_TOKEN": token, "GITHUB_OUTPUT": str(folder / "output")}
    channels = Channels(out=said.append, say=said.append)
    wishes = Wishes(check_run=check_run, config=config, commit=commit, comment_file=comment_file)
    publish(judged(*results), wishes, environ=environ, channels=channels, said=Said(notes=notes))
    return said


@pytest.mark.parametrize(
    ("results", "conclusion"),
    [
        ([], "neutral"),
        ([a_round()], "success"),
        ([a_round(), UNDECIDED], "failure"),
        ([IGNORED], "neutral"),
        ([a_problem(4)], "failure"),
        ([a_problem(130), a_round()], "cancelled"),
    ],
)
def test_publish__the_mark_is_red_exactly_if_the_gate_is_shut(
    fake: FakeGitHub, tmp_path: Path, results: Sequence[Round | Problem], conclusion: str
) -> None:
    tell(fake, tmp_path, *results, check_run=True)
    (check,) = fake.checks.values()
    assert check["conclusion"] == conclusion


def test_publish__nothing_to_gate_changes_a_comment_and_makes_none(
    fake: FakeGitHub, tmp_path: Path, client_for: ClientFor
) -> None:
    assert tell(fake, tmp_path) == ["No comment: nothing was judged in #2."]
    assert not fake.comments
    StickyComment(client_for(fake), 2, marker=marker(None)).put("<!-- gate -->\nblocked\n")
    tell(fake, tmp_path)
    (body,) = fake.bodies()
    assert "Nothing to gate" in body


def test_publish__a_change_of_the_configuration_alone_is_told(fake: FakeGitHub, tmp_path: Path) -> None:
    tell(fake, tmp_path, notes=("Changed here, which takes effect after the merge: gate.yaml.",))
    (body,) = fake.bodies()
    assert "takes effect after the merge: gate.yaml" in body


def test_publish__what_broke_is_remarked_although_no_configuration_is_known(fake: FakeGitHub, tmp_path: Path) -> None:
    said = tell(fake, tmp_path, a_problem(4), a_failing_round())
    (remark,) = [line for line in said if line.startswith("::")]
    assert remark.startswith("::error title=adapters/0%3A could not be judged")


def test_publish__the_check_stands_beside_the_commit_that_was_judged(fake: FakeGitHub, tmp_path: Path) -> None:
    tell(fake, tmp_path, a_round(commit="b" * 40), check_run=True, commit="b" * 40)
    (check,) = fake.checks.values()
    assert check["head_sha"] == "b" * 40
    assert f"/commit/{'b' * 40})" in fake.bodies()[0]


def test_publish__a_step_that_broke_is_told_with_its_reason(fake: FakeGitHub, tmp_path: Path) -> None:
    tell(fake, tmp_path, a_problem(4))
    (body,) = fake.bodies()
    assert "It broke." in body


def test_publish__remarks_are_commands_with_the_line_of_the_rule(fake: FakeGitHub, tmp_path: Path) -> None:
    said = tell(fake, tmp_path, a_failing_round(), config="models/gate.yaml")
    assert [line for line in said if line.startswith("::error file=models/gate.yaml")]


def test_publish__without_a_token_both_places_are_left_out_and_it_is_said_once(
    fake: FakeGitHub, tmp_path: Path
) -> None:
    assert tell(fake, tmp_path, a_round(), token="", check_run=True) == ["Nothing is posted: GITHUB_TOKEN is not set."]
    assert not fake.asked


def test_publish__a_token_that_may_not_make_checks_still_comments(fake: FakeGitHub, tmp_path: Path) -> None:
    fake.forbidden = "/check-runs"
    said = tell(fake, tmp_path, a_round(), check_run=True)
    assert len(fake.comments) == 1
    assert said[-1].startswith("No check run: ")


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_publish__only_a_plain_file_makes_place_for_the_comment(fake: FakeGitHub, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "there"
    match kind:
        case "folder":
            target.mkdir()
        case "link":
            target.symlink_to(tmp_path / "elsewhere")
        case "pipe":
            os.mkfifo(target)
    before = target.lstat()
    fake.forbidden = "/comments"
    with pytest.raises(UsageError, match="--comment-file: .* is no plain file") as refused:
        tell(fake, tmp_path, a_round(), check_run=True, comment_file=target)
    assert refused.value.exit_code == 3
    after = target.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert len(fake.checks) == 1
    assert {"verdict=pass", "comment-url=", "comment-file-written=false"} <= set(
        (tmp_path / "output").read_text().splitlines()
    )


def test_publish__a_comment_that_cannot_be_left_names_the_option(fake: FakeGitHub, tmp_path: Path) -> None:
    fake.forbidden = "/comments"
    with pytest.raises(BrokenRun, match="choose another --comment-file"):
        tell(fake, tmp_path, a_round(), check_run=True, comment_file=tmp_path / "none" / "comment.md")
    assert len(fake.checks) == 1
