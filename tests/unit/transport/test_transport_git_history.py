"""What a clone knows: tips, ancestors, credentials."""

from pathlib import Path

import pytest
from action_repository import Repository

from gate.errors import UsageError
from gate.transport.git_history import (
    known_commit,
    merge_base,
    nearest_folder,
    outermost_repository,
    remote_tip,
    stored_credentials,
)


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


def test_merge_base__where_the_branches_part(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.branch()
    one = repository.commit()
    repository.git("checkout", "-q", "main")
    other = repository.commit("another")
    assert merge_base(repository.path, one, other) == first
    repository.git("checkout", "-q", "--orphan", "alone")
    assert merge_base(repository.path, repository.commit(), other) is None


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("http.https://github.com/.extraheader", "AUTHORIZATION: basic eDp5", True),
        ("http.https://github.com/.extraheader", "X-Trace: 1", False),
        ("remote.origin.url", "https://user:word@example.org/a/b", True),
        ("remote.origin.url", "https://ghp_abc@github.com/a/b", True),
        ("remote.origin.url", "https://someone@example.org/a/b", False),
        ("remote.origin.url", "ssh://git@example.org/a/b", False),
        ("remote.origin.url", "git@example.org:a/b", False),
        ("url.https://x:word@example.org/.insteadOf", "https://example.org/", True),
        ("remote.origin.pushurl", "https://x:word@example.org/a", True),
    ],
)
def test_stored_credentials__named_but_never_shown(repository: Repository, name: str, value: str, found: bool) -> None:
    repository.git("config", name, value)
    told = stored_credentials(repository.path)
    assert (told is not None) is found
    assert "word" not in (told or "")


@pytest.mark.parametrize("place", ["matching", "other condition", "submodule"])
def test_stored_credentials__in_files_beside_the_configuration(
    repository: Repository, tmp_path: Path, place: str
) -> None:
    kept = '[http "https://github.com/"]\n\textraheader = AUTHORIZATION: basic eDp5\n'
    file = tmp_path / "git-credentials.config"
    if place == "submodule":
        file = repository.path / ".git" / "modules" / "deep" / "one" / "config"
        file.parent.mkdir(parents=True)
    else:
        folder = repository.path / ".git" if place == "matching" else Path("/github/workspace/.git")
        repository.git("config", f"includeIf.gitdir:{folder}.path", str(file))
    assert stored_credentials(repository.path) is None
    file.write_text(kept)
    assert stored_credentials(repository.path) == "http.https://github.com/.extraheader"


def test_stored_credentials__files_that_include_each_other(repository: Repository, tmp_path: Path) -> None:
    file = tmp_path / "loop.config"
    file.write_text(f"[include]\n\tpath = {file}\n")
    repository.git("config", "includeIf.gitdir:/nowhere/.path", str(file))
    assert stored_credentials(repository.path) is None


def test_outermost_repository__by_names_alone(repository: Repository, tmp_path: Path) -> None:
    top = repository.path
    assert outermost_repository(Path("a/../b/gate.yaml"), top) == (top, "b/gate.yaml")
    (top / "sub").mkdir()
    assert outermost_repository(Path("gate.yaml"), top / "sub") == (top, "sub/gate.yaml")
    assert outermost_repository(top / "gone" / "gate.yaml", tmp_path / "elsewhere") == (top, "gone/gate.yaml")
    assert outermost_repository(Path("ws/gate.yaml"), tmp_path) == (top, "gate.yaml")
    with pytest.raises(UsageError, match="no git repository"):
        outermost_repository(Path("gate.yaml"), tmp_path)


def test_outermost_repository__above_it_links_are_nobody_elses(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.path)
    assert outermost_repository(Path("gate.yaml"), tmp_path / "link") == (repository.path, "gate.yaml")
    assert outermost_repository(tmp_path / "link" / "gate.yaml", Path.cwd()) == (repository.path, "gate.yaml")


def test_nearest_folder__of_what_is_not_there(tmp_path: Path) -> None:
    assert nearest_folder(tmp_path / "a" / "b") == tmp_path
    assert nearest_folder(tmp_path) == tmp_path
