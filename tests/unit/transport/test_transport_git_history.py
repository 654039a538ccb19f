"""What a clone knows: tips and ancestors."""

import pytest
from action_repository import Repository

from gate.transport.git_history import is_cloned_from, known_commit, merge_bases, remote_tip

pytest_plugins = ["repository_fixtures"]


def test_known_commit__tags_are_peeled_and_blobs_are_none(clone: Repository) -> None:
    head = clone.git("rev-parse", "HEAD")
    clone.git("tag", "-a", "v1", "-m", "one")
    tag = clone.git("rev-parse", "v1")
    assert tag != head
    assert known_commit(clone.path, tag) == head
    assert known_commit(clone.path, "1" * 40) is None
    clone.write("file", "x")
    clone.commit()
    assert known_commit(clone.path, clone.git("rev-parse", "HEAD:file")) is None


def test_remote_tip__only_a_branch_of_that_very_name(clone: Repository) -> None:
    head = clone.git("rev-parse", "HEAD")
    clone.git("update-ref", "refs/remotes/origin/release/v1", head)
    assert remote_tip(clone.path, "release/v1") == head
    assert remote_tip(clone.path, "release") is None
    assert remote_tip(clone.path, "--all") is None


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
    clone: Repository, address: str, server: str, same: bool
) -> None:
    if address:
        clone.git("config", "remote.origin.url", address)
    assert is_cloned_from(clone.path, server, "owner/name") is same


def test_merge_bases__where_the_branches_part(clone: Repository) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.branch()
    one = clone.commit()
    clone.git("checkout", "-q", "main")
    other = clone.commit("another")
    assert merge_bases(clone.path, one, other) == (first,)
    clone.git("checkout", "-q", "-b", "both", one)
    clone.git("merge", "-q", "-m", "both", other)
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "-m", "both as well", one)
    assert set(merge_bases(clone.path, "main", "both")) == {one, other}
    clone.git("checkout", "-q", "--orphan", "alone")
    assert merge_bases(clone.path, clone.commit(), other) == ()
