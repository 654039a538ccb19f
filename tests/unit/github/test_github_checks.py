"""Check runs on a GitHub that holds them against its own limits."""

import pytest
from fake_github import ClientFor, FakeGitHub, Trouble

from gate.github.checks import CheckRun, publish_check
from gate.report import Annotation

pytest_plugins = ["github_fixtures"]

SHA = "a" * 40


def a_check(*, remarks: int = 0, summary: str = "fine") -> CheckRun:
    annotations = [
        Annotation(level="error", file="gate.yaml", line=index + 1, title="max_drop", message=f"remark {index}")
        for index in range(remarks)
    ]
    nowhere = Annotation(level="warning", file=None, line=None, title="about", message="no file")
    return CheckRun(
        name="gate", head_sha=SHA, conclusion="failure", title="A rule failed", summary=summary,
        annotations=(*annotations, nowhere),
    )  # fmt: skip


def test_publish_check__stands_beside_the_commit_once(fake: FakeGitHub, client_for: ClientFor) -> None:
    publish_check(client_for(fake), a_check())
    publish_check(client_for(fake), a_check())
    (check,) = fake.checks.values()
    assert (check["head_sha"], check["conclusion"], check["status"]) == (SHA, "failure", "completed")
    publish_check(client_for(fake), a_check(summary="other"))
    assert len(fake.checks) == 2


def test_publish_check__more_remarks_than_one_request_takes_are_cut(fake: FakeGitHub, client_for: ClientFor) -> None:
    publish_check(client_for(fake), a_check(remarks=60))
    assert fake.methods() == ["POST"]
    assert [one["start_line"] for one in fake.annotations] == list(range(1, 51))


@pytest.mark.parametrize("said", [b"{}", b"thanks", b"[]"])
def test_publish_check__an_answer_that_cannot_be_read_makes_no_second_one(
    fake: FakeGitHub, client_for: ClientFor, said: bytes
) -> None:
    fake.troubles = [Trouble("POST", status=201, raw=said, stored=True)]
    publish_check(client_for(fake), a_check())
    assert len(fake.checks) == 1
    assert fake.methods() == ["POST"]


def test_publish_check__a_long_summary_is_cut(fake: FakeGitHub, client_for: ClientFor) -> None:
    publish_check(client_for(fake), a_check(summary="x" * 70_000))
    assert len(fake.checks) == 1


def test_publish_check__an_answer_that_was_lost_makes_no_second_one(fake: FakeGitHub, client_for: ClientFor) -> None:
    fake.troubles = [Trouble("POST", stored=True)]
    publish_check(client_for(fake), a_check(remarks=30))
    assert len(fake.checks) == 1
    assert len(fake.annotations) == 30
