"""Events as GitHub sends them, and as nobody should send them."""

import os
from pathlib import Path
from typing import Any

import pytest
from github_events import QUEUE_REPOSITORY, payload, variables

from gate.errors import UsageError
from gate.github import event as event_module
from gate.github.event import Event, read_event


def read(folder: Path, name: str, content: object, **more: str) -> Event:
    return read_event(variables(folder, name, content, **more))


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_read_event__a_pull_request_is_about_its_head_not_the_merge_commit(tmp_path: Path, name: str) -> None:
    event = read(tmp_path, name, payload("pull_request"))
    assert event == Event(
        name=name,
        repository="Codertocat/Hello-World",
        sha="1" * 40,
        head_sha="ec26c3e57ca3a959ca5aad62de7213c562f8c821",
        head_branch="changes",
        head_repository="Codertocat/Hello-World",
        base_branch="master",
        base_sha="f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
        pull_request=2,
        run_id=42,
        server_url="https://github.com",
        api_url="https://api.github.com",
    )
    assert not event.is_fork
    assert event.run_url == "https://github.com/Codertocat/Hello-World/actions/runs/42"


@pytest.mark.parametrize("repo", [{"full_name": "somebody/Hello-World"}, None])
def test_read_event__a_fork_is_another_repository_or_one_that_is_gone(tmp_path: Path, repo: object) -> None:
    content = payload("pull_request")
    content["pull_request"]["head"]["repo"] = repo
    assert read(tmp_path, "pull_request", content).is_fork


def test_read_event__a_push_knows_where_the_branch_was(tmp_path: Path) -> None:
    content = payload("push") | {"ref": "refs/heads/a/b", "before": "2" * 40}
    event = read(tmp_path, "push", content)
    assert (event.head_sha, event.before_sha, event.head_branch) == (content["after"], "2" * 40, "a/b")
    assert (event.pull_request, event.base_sha, event.is_fork) == (None, None, False)


def test_read_event__a_new_tag_and_a_deleted_one(tmp_path: Path) -> None:
    new = read(tmp_path, "push", payload("push", 0))
    assert (new.head_branch, new.before_sha) == (None, None)
    assert read(tmp_path, "push", payload("push", 1)).head_sha is None


def test_read_event__a_merge_queue_names_the_pull_request_in_its_branch(tmp_path: Path) -> None:
    content = payload("merge_group")
    event = read(tmp_path, "merge_group", content, GITHUB_REPOSITORY=QUEUE_REPOSITORY)
    assert (event.pull_request, event.base_branch) == (104, "main")
    assert event.head_sha == content["merge_group"]["head_sha"]
    assert event.base_sha == content["merge_group"]["base_sha"]


@pytest.mark.parametrize(
    "branch", ["refs/heads/gh-readonly-queue/main/pr-0-" + "a" * 40, "refs/heads/pr-7-" + "a" * 40]
)
def test_read_event__any_other_branch_names_none(tmp_path: Path, branch: str) -> None:
    content = payload("merge_group")
    content["merge_group"]["head_ref"] = branch
    assert read(tmp_path, "merge_group", content).pull_request is None


def test_read_event__a_run_that_ended_is_known_by_its_head_and_never_by_its_list(tmp_path: Path) -> None:
    content = payload("workflow_run")
    content["workflow_run"]["head_repository"]["full_name"] = "somebody/octo-repo"
    content["workflow_run"]["pull_requests"] = [{"number": 666}]
    event = read(tmp_path, "workflow_run", content, GITHUB_REPOSITORY=QUEUE_REPOSITORY)
    assert event.is_fork
    assert event.pull_request is None
    assert (event.head_branch, event.head_sha) == ("master", "3484a3fb816e0859fd6e1cea078d76385ff50625")
    assert event.upstream_run_id == 289782451


@pytest.mark.parametrize(
    ("name", "content"), [("workflow_dispatch", payload("workflow_dispatch")), ("schedule", {"schedule": "0 3 * * *"})]
)
def test_read_event__a_run_by_hand_or_clock_is_about_its_own_commit(tmp_path: Path, name: str, content: object) -> None:
    event = read(tmp_path, name, content)
    assert (event.head_sha, event.head_branch, event.is_fork) == ("1" * 40, "main", False)


def test_read_event__a_server_of_ones_own(tmp_path: Path) -> None:
    urls = {"GITHUB_API_URL": "https://ghes.example/api/v3/", "GITHUB_SERVER_URL": "https://ghes.example"}
    event = read(tmp_path, "pull_request", payload("pull_request"), **urls)
    assert event.api_url == "https://ghes.example/api/v3"
    assert event.run_url == "https://ghes.example/Codertocat/Hello-World/actions/runs/42"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"GITHUB_EVENT_NAME": ""}, "GITHUB_EVENT_NAME is not set"),
        ({"GITHUB_EVENT_NAME": "x\n::error::"}, "GITHUB_EVENT_NAME is not the name of an event"),
        ({"GITHUB_REPOSITORY": "a/../b"}, "GITHUB_REPOSITORY is not of the form owner/name"),
        ({"GITHUB_REPOSITORY": "a/b?x=1"}, "GITHUB_REPOSITORY is not of the form owner/name"),
        ({"GITHUB_SHA": "main"}, "GITHUB_SHA is not a commit"),
        ({"GITHUB_API_URL": "file:///etc"}, "GITHUB_API_URL is not the address of a server"),
        ({"GITHUB_API_URL": "http://a:x/"}, "GITHUB_API_URL is not the address of a server"),
        ({"GITHUB_API_URL": "https://me:secret@a"}, "GITHUB_API_URL is not the address of a server"),
        ({"GITHUB_EVENT_PATH": "/nowhere"}, "GITHUB_EVENT_PATH is not a file"),
    ],
)
def test_read_event__variables_that_are_wrong(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, "pull_request", payload("pull_request"), **changes)


def broken(*keys: str, value: object) -> dict[str, Any]:
    content = payload("pull_request")
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ({}, "pull_request is not an object"),
        (broken("pull_request", "number", value="7"), "pull_request.number is not a positive whole number"),
        (broken("pull_request", "number", value=True), "pull_request.number is not a positive whole number"),
        (broken("pull_request", "head", "sha", value="--upload-pack=x"), "pull_request.head.sha is not a commit"),
        (broken("pull_request", "base", "ref", value="x" * 5000), "pull_request.base.ref is not a short text"),
        (broken("pull_request", "head", "repo", "full_name", value="a b"), "head.repo.full_name is not of the form"),
    ],
)
def test_read_event__payloads_that_are_wrong(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, "pull_request", content)


def test_read_event__a_payload_that_is_too_long_or_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_module, "MAX_PAYLOAD_BYTES", 100)
    with pytest.raises(UsageError, match="is longer than"):
        read(tmp_path, "push", payload("push"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is not a file"):
        read(tmp_path, "push", payload("push"), GITHUB_EVENT_PATH=str(tmp_path / "pipe"))
