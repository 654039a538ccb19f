"""The whole Action on a pull request: events, git, the real model, the launcher, and a GitHub on this machine."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from action_repository import make_repository
from fake_github import TOKEN, FakeGitHub, Trouble
from pull_request import PullRequest, codes
from runner import Job, has_failed

pytest_plugins = ["github_fixtures"]

TIMELESS = ("id", "created_at", "environment", "timings")


@pytest.fixture
def proposal(tmp_path: Path, fake: FakeGitHub) -> PullRequest:
    """A pull request whose runner has the gate installed."""
    job = Job(folder=tmp_path / "runner")
    job.workspace.rmdir()
    repository = make_repository(job.workspace)
    repository.branch()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return PullRequest(job, repository, fake, {"runtime": "host"}, {"PATH": path})


def round_of(proposal: PullRequest) -> dict[str, Any]:
    found = json.loads(Path(proposal.job.outputs()["round-path"]).read_text("utf-8"))
    return {key: value for key, value in found.items() if key not in TIMELESS}


def test_action__one_comment_is_kept_current_from_the_first_push_to_the_mend(proposal: PullRequest) -> None:
    proposal.repository.adapter("forgetful")
    done = proposal.push()
    assert codes(done) == {"Answer": 0, "Compare": 1, "Publish": 0, "Clean up": 0}, done
    first, text = proposal.comment()
    assert text.startswith("<!-- gate -->\n")
    assert "> [!CAUTION]" in text
    outputs = proposal.job.outputs()
    assert (outputs["verdict"], outputs["passed"], outputs["exit-code"]) == ("fail", "false", "1")
    assert outputs["comment-url"].endswith(str(first))
    assert "CAUTION" in proposal.job.summary()

    proposal.repository.write("notes.md", "another word")
    done = proposal.push()
    assert codes(done)["Compare"] == 1
    second, again = proposal.comment()
    assert second == first
    assert proposal.repository.git("rev-parse", "HEAD")[:12] in again

    proposal.repository.adapter("careful")
    proposal.repository.write("adapters/support/README.md", "mended")
    done = proposal.push()
    assert codes(done) == {"Answer": 0, "Compare": 0, "Publish": 0, "Clean up": 0}, done
    third, mended = proposal.comment()
    assert third == first
    assert "CAUTION" not in mended
    assert proposal.job.outputs()["passed"] == "true"

    before, asked = round_of(proposal), list(proposal.github.comments)
    proposal.run()
    assert round_of(proposal) == before
    assert list(proposal.github.comments) == asked
    assert proposal.comment()[1].split("<sub>")[0] == mended.split("<sub>")[0]


def test_action__what_is_not_changed_is_not_gated_and_an_old_comment_says_so(proposal: PullRequest) -> None:
    proposal.repository.write("README.md", "a word")
    assert codes(proposal.push()) == {"Answer": 0, "Compare": 0, "Publish": 0, "Clean up": 0}
    assert proposal.github.comments == {}
    assert proposal.job.outputs()["verdict"] == "none"
    proposal.repository.adapter("forgetful")
    proposal.push()
    proposal.repository.adapter("careful")  # as on main: nothing is left of the change
    assert not any(codes(proposal.push()).values())
    assert "othing to gate" in proposal.comment()[1]


def test_action__a_refused_adapter_is_told(proposal: PullRequest) -> None:
    proposal.repository.write("adapters/support/adapter_config.json", "{}")
    done = proposal.push()
    assert codes(done) == {"Answer": 3, "Compare": 3, "Publish": 0, "Clean up": 0}
    assert "could not be judged" in proposal.comment()[1]
    assert proposal.job.outputs()["exit-code"] == "3"


def test_action__a_comment_that_may_not_be_posted_changes_nothing_else(proposal: PullRequest) -> None:
    proposal.github.read_only = True
    proposal.repository.adapter("forgetful")
    done = proposal.push()
    assert codes(done) == {"Answer": 0, "Compare": 1, "Publish": 0, "Clean up": 0}
    assert "No comment" in done["Publish"].stderr
    outputs = proposal.job.outputs()
    assert (outputs["verdict"], outputs["comment-file-written"]) == ("fail", "true")
    assert "CAUTION" in (proposal.job.temp / "gate" / "comment.md").read_text("utf-8")
    proposal.github.read_only = False
    proposal.github.troubles += [Trouble("GET", "/comments", status=401)]
    done = proposal.run()
    assert codes(done) == {"Answer": 0, "Compare": 1, "Publish": 4, "Clean up": 0}
    assert proposal.job.outputs()["verdict"] == "fail"
    assert has_failed(done)


def test_action__a_github_that_is_out_of_order_turns_no_passing_job_red(proposal: PullRequest) -> None:
    proposal.repository.write("adapters/support/README.md", "words")
    proposal.github.troubles += [Trouble("GET", "/comments", status=401) for _ in range(2)]
    done = proposal.push()
    assert codes(done) == {"Answer": 0, "Compare": 0, "Publish": 4, "Clean up": 0}
    assert not has_failed(done)
    outputs = proposal.job.outputs()
    assert (outputs["exit-code"], outputs["passed"], outputs["comment-url"]) == ("0", "true", "")
    again = proposal.job.run(github_token=TOKEN, mode="publish", **proposal.inputs)
    assert codes(again) == {"Publish": 4, "Clean up": 0}
    assert has_failed(again)
