"""The whole Action in real containers, publishing included: outputs, summary, and what a reader is told."""

from pathlib import Path

import pytest
from action_repository import Repository, make_repository
from fake_github import FakeGitHub
from pull_request import PullRequest, codes
from runner import Done, Job
from test_action import propose

pytest_plugins = ["github_fixtures"]


@pytest.fixture
def repository(job: Job) -> Repository:
    """A model repository, checked out in the workspace."""
    job.workspace.rmdir()
    return make_repository(job.workspace)


def gate(job: Job, image: str) -> dict[str, Done]:
    """The Action as a workflow without a comment runs it."""
    return job.run(image=image, gpus="none", network="none", comment="off")


def test_action__tells_of_a_forgetful_adapter(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.adapter("forgetful")
    repository.write("gate.yaml", (repository.path / "gate.yaml").read_text().replace("drop: 1pp", "drop: 99pp"))
    propose(job, repository)
    done = gate(job, image)
    assert {name: one.code for name, one in done.items()} == {"Answer": 0, "Compare": 1, "Publish": 0, "Clean up": 0}
    outputs = job.outputs()
    assert (outputs["verdict"], outputs["passed"], outputs["exit-code"]) == ("fail", "false", "1")
    assert int(outputs["regressions"]) >= 1
    assert Path(outputs["round-path"]).is_file()
    assert Path(outputs["report-path"]).is_file()
    assert "facts" in job.summary()
    assert "takes effect after the merge" in job.summary()


def test_action__tells_that_nothing_was_changed(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.write("README.md", "a word")
    propose(job, repository)
    assert not any(one.code for one in gate(job, image).values())
    assert job.outputs()["verdict"] == "none"
    assert job.outputs()["passed"] == "true"


def test_action__tells_of_a_refused_adapter_and_of_a_missing_gpu(job: Job, repository: Repository, image: str) -> None:
    repository.branch()
    repository.write("adapters/support/adapter_config.json", "{}")
    propose(job, repository)
    done = gate(job, image)
    assert (done["Answer"].code, done["Publish"].code) == (3, 0)
    assert job.outputs()["exit-code"] == "3"
    done = job.run(image=image, gpus="all", network="none", comment="off")
    assert (done["Answer"].code, done["Publish"].code) == (4, 0)
    assert job.outputs()["exit-code"] == "4"
    assert "nvidia-container-toolkit" in job.summary()


def test_action__one_comment_is_kept_current(job: Job, repository: Repository, image: str, fake: FakeGitHub) -> None:
    # The fake listens on this machine only, so the containers have to share its network.
    proposal = PullRequest(job, repository, fake, {"image": image, "network": "host"})
    repository.branch()
    repository.adapter("forgetful")
    assert codes(proposal.push()) == {"Answer": 0, "Compare": 1, "Publish": 0, "Clean up": 0}
    first, text = proposal.comment()
    assert "> [!CAUTION]" in text
    repository.adapter("careful")
    repository.write("adapters/support/README.md", "mended")
    assert codes(proposal.push()) == {"Answer": 0, "Compare": 0, "Publish": 0, "Clean up": 0}
    second, mended = proposal.comment()
    assert second == first
    assert "CAUTION" not in mended
