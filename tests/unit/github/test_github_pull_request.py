"""Which pull request a run belongs to, asked of a GitHub that has several."""

from pathlib import Path

import pytest
from fake_github import ClientFor, FakeGitHub, Trouble
from github_events import QUEUE_REPOSITORY, REPOSITORY, payload, variables

from gate.errors import UsageError
from gate.github.client import Refused
from gate.github.event import Event, read_event
from gate.github.pull_request import find_pull_request

pytest_plugins = ["github_fixtures"]

HERE, FORK = "octo-org/octo-repo", "somebody/octo-repo"
SHA = "3484a3fb816e0859fd6e1cea078d76385ff50625"


def an_event(folder: Path, name: str, content: dict[str, object]) -> Event:
    return read_event(variables(folder, name, content, GITHUB_REPOSITORY=QUEUE_REPOSITORY))


@pytest.fixture
def after_fork(tmp_path: Path) -> Event:
    """The run of a fork's pull request has ended."""
    content = payload("workflow_run")
    content["workflow_run"]["head_repository"]["full_name"] = FORK
    content["workflow_run"]["head_branch"] = "fix/a&b"
    return an_event(tmp_path, "workflow_run", content)


@pytest.fixture(autouse=True)
def _here(fake: FakeGitHub) -> None:
    fake.repository = HERE


def test_find_pull_request__of_the_payload_only_while_it_is_at_the_commit(
    fake: FakeGitHub, client_for: ClientFor, tmp_path: Path
) -> None:
    fake.repository = REPOSITORY
    event = read_event(variables(tmp_path, "pull_request", payload("pull_request")))
    client = client_for(fake)
    assert find_pull_request(event, client, number=None) == 2
    assert find_pull_request(event, client, number=2) == 2
    fake.pulls[0]["state"] = "closed"
    assert find_pull_request(event, client, number=None) == 2
    fake.pulls[0]["head"]["sha"] = "e" * 40
    assert find_pull_request(event, client, number=None) is None
    assert find_pull_request(event, client, number=2) is None
    assert find_pull_request(event, client, number=7) == 7


def test_find_pull_request__a_merge_queue_names_it_in_its_branch_and_a_fork_that_is_gone_stays_as_it_is(
    fake: FakeGitHub, client_for: ClientFor, tmp_path: Path
) -> None:
    gone = payload("pull_request")
    gone["pull_request"]["head"]["repo"] = None
    event = an_event(tmp_path, "pull_request", gone)
    queued = an_event(tmp_path, "merge_group", payload("merge_group"))
    client = client_for(fake)
    assert find_pull_request(event, client, number=None) == 2
    assert find_pull_request(queued, client, number=None) == 104
    assert not fake.asked


@pytest.mark.parametrize("name", ["push", "workflow_dispatch", "schedule"])
def test_find_pull_request__of_a_commit_only_if_open_here_and_at_its_head(
    fake: FakeGitHub, client_for: ClientFor, tmp_path: Path, name: str
) -> None:
    content = payload(name) if name != "schedule" else {"schedule": "0 3 * * *"}
    event = an_event(tmp_path, name, content)
    assert event.head_sha is not None
    fake.add_pull(1, event.head_sha, head=HERE, state="closed")
    fake.add_pull(3, event.head_sha, head=HERE)
    fake.pulls[-1]["base"]["repo"]["full_name"] = "somebody/else"
    client = client_for(fake)
    assert find_pull_request(event, client, number=None) is None
    fake.add_pull(2, event.head_sha, head=HERE)
    fake.add_pull(5, event.head_sha, head=HERE)
    assert find_pull_request(event, client, number=None) == 5
    assert find_pull_request(event, client, number=9) == 9


def test_find_pull_request__of_no_commit(fake: FakeGitHub, client_for: ClientFor, tmp_path: Path) -> None:
    deleted = an_event(tmp_path, "push", payload("push", 1))
    assert find_pull_request(deleted, client_for(fake), number=None) is None
    fake.troubles = [Trouble("GET", status=422, message="No commit found for SHA")]
    pushed = an_event(tmp_path, "push", payload("push"))
    assert find_pull_request(pushed, client_for(fake), number=None) is None
    fake.troubles = [Trouble("GET", status=403)]
    with pytest.raises(Refused):
        find_pull_request(pushed, client_for(fake), number=None)


def test_find_pull_request__of_a_fork_by_its_branch(fake: FakeGitHub, client_for: ClientFor, after_fork: Event) -> None:
    fake.add_pull(4, SHA, head="somebody/other-fork", branch="fix/a&b")
    fake.add_pull(5, "f" * 40, head=FORK, branch="fix/a&b")
    assert find_pull_request(after_fork, client_for(fake), number=None) is None
    fake.add_pull(6, SHA, head=FORK, branch="fix/a&b")
    assert find_pull_request(after_fork, client_for(fake), number=None) == 6
    assert find_pull_request(after_fork, client_for(fake), number=6) == 6


def test_find_pull_request__a_number_that_a_fork_could_choose_is_not_believed(
    fake: FakeGitHub, client_for: ClientFor, after_fork: Event
) -> None:
    fake.add_pull(6, SHA, head=FORK, branch="fix/a&b")
    fake.add_pull(7, "f" * 40, head=HERE)
    with pytest.raises(UsageError, match=f"Pull request 7 is not at the commit {SHA}"):
        find_pull_request(after_fork, client_for(fake), number=7)
