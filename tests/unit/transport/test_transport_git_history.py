"""What a clone knows: tips and ancestors."""

from pathlib import Path

import pytest
from action_repository import Repository

from gate.transport.git_history import is_cloned_from, known_commit, merge_bases, remote_tip


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "ws").mkdir()
    repository = Repository(tmp_path / "ws")
    repository.git("init", "-q")
    repository.commit("first")
    return repository


def test_known_commit__tags_are_peeled_and_blobs_are_none(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("tag", "-a", "v1", "-m", "one")
    tag = repository.git("rev-parse", "v1")
    assert tag != head
    assert known_commit(repository.path, tag) == head
    assert known_commit(repository.path, "1" * 40) is None
    repository.write("file", "x")
    repository.commit()
    assert known_commit(repository.path, repository.git("rev-parse", "HEAD:file")) is None


def test_remote_tip__only_a_branch_of_that_very_name(repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    repository.git("update-ref", "refs/remotes/origin/release/v1", head)
    assert remote_tip(repository.path, "release/v1") == head
    assert remote_tip(repository.path, "release") is None
    assert remote_tip(repository.path, "--all") is None


@pytest.mark.parametrize(
    ("address", "server", "same"),
    [
        ("https://github.com/owner/name", "https://github.com", True),
        ("https://github.com/Owner/Name.git", "https://github.com", True),
        ("https://github.com/owner/name/", "https://github.com", True),
        ("git@github.com:owner/name.git", "https://github.com", True),
        ("ssh://git@github.com/owner/name.git", "https://github.com", True),
        ("https://ghes.example:8443/owner/name", "https://ghes.example:8443", True),
        ("https://github.com/fork/name", "https://github.com", False),
        ("https://github.com/owner/name/more", "https://github.com", False),
        ("https://evil.example/owner/name", "https://github.com", False),
        ("https://github.com@evil.example/owner/name", "https://github.com", False),
        ("file:///owner/name", "https://github.com", False),
        ("/owner/name", "https://github.com", False),
        ("https://[", "https://github.com", False),
        ("", "https://github.com", False),
    ],
)
def test_is_cloned_from__only_that_repository_on_that_server(
    repository: Repository, address: str, server: str, same: bool
) -> None:
    if address:
        repository.git("config", "remote.origin.url", address)
    assert is_cloned_from(repository.path, server, "owner/name") is same


def test_merge_bases__where_the_branches_part(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.branch()
    one = repository.commit()
    repository.git("checkout", "-q", "main")
    other = repository.commit("another")
    assert merge_bases(repository.path, one, other) == (first,)
    repository.git("checkout", "-q", "-b", "both", one)
    repository.git("merge", "-q", "-m", "both", other)
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "-m", "both as well", one)
    assert set(merge_bases(repository.path, "main", "both")) == {one, other}
    repository.git("checkout", "-q", "--orphan", "alone")
    assert merge_bases(repository.path, repository.commit(), other) == ()
