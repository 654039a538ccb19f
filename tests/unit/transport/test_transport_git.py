"""Reading commits of real repositories: refs, folders, files, and the sentences for what cannot be read."""

import os
from pathlib import Path

import pytest
from nobodys_git import git

from gate.errors import BrokenRun, UsageError
from gate.transport.git import (
    Entry,
    all_files,
    copy_file,
    entry_at,
    head_commit,
    list_folder,
    read_file,
    repository_path,
    resolve_commit,
)
from gate.transport.git_lfs import lfs_folder

pytest_plugins = ["repository_fixtures"]
pytestmark = pytest.mark.usefixtures("only_the_repository_configures_git")

ODD_NAMES = ("with space", "größe", "line\nfeed", "tab\t", '"quoted"', ":(top)x", "-x", "*")


def commit(folder: Path, **files: str) -> str:
    for name, content in files.items():
        (folder / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("__", "/")).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a commit", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Two commits on main; the tag v1.4 is at the first."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, a__b__file="old", a__top="1", other="2")
    git(folder, "tag", "-a", "-m", "annotated", "v1.4")
    commit(folder, a__b__file="new")
    return folder


def listing(folder: Path, ref: str, path: str) -> dict[str, str]:
    entries = list_folder(folder, resolve_commit(folder, ref), path)
    assert entries is not None
    return {entry.name: entry.kind for entry in entries}


def refusal(folder: Path, ref: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        resolve_commit(folder, ref)
    return caught.value


def test_head_commit__inside_and_outside(repo: Path, tmp_path: Path) -> None:
    assert head_commit(repo / "a") == git(repo, "rev-parse", "HEAD")
    assert head_commit(tmp_path) is None
    assert head_commit(tmp_path / "absent") is None


def test_resolve_commit__tag_branch_and_id(repo: Path) -> None:
    first, second = git(repo, "rev-parse", "v1.4^{commit}"), git(repo, "rev-parse", "main")
    assert resolve_commit(repo, "v1.4") == first != git(repo, "rev-parse", "v1.4")
    assert resolve_commit(repo / "a" / "b", "main~1") == first
    assert resolve_commit(repo, "main") == resolve_commit(repo, second) == resolve_commit(repo, second[:10]) == second


def test_resolve_commit__umlauts(repo: Path) -> None:
    git(repo, "branch", "größer")
    assert resolve_commit(repo, "größer") == git(repo, "rev-parse", "main")


@pytest.mark.parametrize(
    "ref",
    ["", "--all", "-h", "a b", "a\nb", "a\0b", "\u202emain", "x" * 251, ":/a", "main:a", "main^{/a}", "v1.4..main"],
)
def test_resolve_commit__no_ref(repo: Path, ref: str) -> None:
    assert " is no ref: " in refusal(repo, ref).message


def test_resolve_commit__an_option_after_all(repo: Path) -> None:
    # Git itself accepts such a tag when it is written past its checks.
    (repo / ".git" / "refs" / "tags" / "--all").write_text(git(repo, "rev-parse", "HEAD") + "\n")
    assert "begins with '-'" in refusal(repo, "--all").message


def test_resolve_commit__unknown(repo: Path) -> None:
    error = refusal(repo, "v9")
    assert error.message == f"'v9' is no commit, tag or branch of the repository at {repo}."
    assert error.fix == "Run `git fetch --tags origin` if it was made elsewhere."
    assert "is no commit" in refusal(repo, git(repo, "rev-parse", "HEAD:a")).message
    assert "is no commit" in refusal(repo, "0" * 40).message


def test_resolve_commit__ambiguous(repo: Path) -> None:
    git(repo, "branch", "v1.4")
    assert refusal(repo, "v1.4").message.startswith("'v1.4' is ambiguous")
    assert resolve_commit(repo, "refs/heads/v1.4") == git(repo, "rev-parse", "main")


def test_resolve_commit__full_id_wins_over_a_branch_of_that_name(repo: Path) -> None:
    old = git(repo, "rev-parse", "v1.4^{commit}")
    git(repo, "update-ref", f"refs/heads/{old}", "main")
    assert resolve_commit(repo, old) == old


def test_resolve_commit__only_at_the_remote(repo: Path, tmp_path: Path) -> None:
    git(repo, "branch", "next")
    git(tmp_path, "clone", "-q", repo.as_uri(), "clone")
    assert (
        refusal(tmp_path / "clone", "next").fix == "There is a branch of that name at the remote: write `origin/next`."
    )
    assert resolve_commit(tmp_path / "clone", "origin/next") == git(repo, "rev-parse", "next")


def test_resolve_commit__shallow_clone_and_what_the_hint_says(repo: Path, tmp_path: Path) -> None:
    old = git(repo, "rev-parse", "v1.4^{commit}")
    git(repo, "branch", "release", old)
    git(repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    for ref in ("v1.4", "release", old):
        clone = tmp_path / f"clone-{ref}"
        git(tmp_path, "clone", "-q", "--depth", "1", repo.as_uri(), clone.name)
        fix = refusal(clone, ref).fix
        assert fix is not None
        if ref == "release":
            assert "(a branch: `release:release`)" in fix
            git(clone, "fetch", "--depth", "1", "origin", "release:release")
        else:
            git(clone, *fix.split("`")[1].split()[1:])
        assert resolve_commit(clone, ref) == old


def test_resolve_commit__looks_at_the_folder_even_inside_a_hook(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert resolve_commit(repo, "main") == git(repo, "rev-parse", "main")


def test_resolve_commit__replacements_are_not_followed(repo: Path) -> None:
    old = git(repo, "rev-parse", "v1.4^{commit}")
    git(repo, "replace", git(repo, "rev-parse", "main:a/b/file"), git(repo, "rev-parse", f"{old}:a/b/file"))
    entry = entry_at(repo, resolve_commit(repo, "main"), "a/b/file")
    assert entry is not None
    assert read_file(repo, entry) == b"new"


def test_repository_path__from_the_top(repo: Path) -> None:
    assert repository_path(repo) == ""
    odd = repo / "größe\n "
    odd.mkdir()
    assert repository_path(odd) == "größe\n /"


def test_repository_path__no_repository(repo: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent", repo / ".git"):
        with pytest.raises(UsageError, match="is in no git repository"):
            repository_path(folder)


def test_repository_path__a_committed_folder_that_looks_like_a_repository(repo: Path) -> None:
    git(repo, "init", "-q", "--bare", "a/bare")
    with pytest.raises(UsageError) as caught:
        repository_path(repo / "a" / "bare")
    assert "safe.bareRepository" in str(caught.value.fix)


def test_repository_path__of_another_user(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(UsageError, match="belongs to another user") as caught:
        repository_path(repo)
    assert caught.value.fix == f"If you trust it: git config --global --add safe.directory {repo}"


def test_list_folder__kinds_and_sizes(repo: Path) -> None:
    (repo / "a" / "link").symlink_to("/etc/passwd")
    (repo / "a" / "run").write_text("1234")
    (repo / "a" / "run").chmod(0o755)
    head = commit(repo)
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head},a/module")
    git(repo, "commit", "-q", "-m", "a submodule")
    assert listing(repo, "main", "a") == {
        "b": "folder", "link": "link", "module": "submodule", "run": "file", "top": "file",
    }  # fmt: skip
    assert listing(repo, "v1.4", "") == {"a": "folder", "other": "file"}
    # From below, and of a submodule whose commit is this repository's own.
    assert listing(repo / "a" / "b", "main", "a/b") == {"file": "file"}
    assert list_folder(repo, head, "a/module") is None
    newest = git(repo, "rev-parse", "HEAD")
    assert list_folder(repo, newest, "a/module") is None
    entry = entry_at(repo, newest, "a/run")
    assert entry == Entry(name="run", kind="file", object_id=git(repo, "rev-parse", "HEAD:a/run"), size=4)


def test_list_folder__nothing_there(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    for path in ("none", "a/top", "a/top/none", "A"):
        assert list_folder(repo, head, path) is None
    assert entry_at(repo, head, "none/x") is None
    assert entry_at(repo, head, "a/none") is None


def test_list_folder__links_are_not_followed(repo: Path) -> None:
    (repo / "link").symlink_to("a")
    head = commit(repo)
    assert list_folder(repo, head, "link") is None
    assert list_folder(repo, head, "link/b") is None


def test_list_folder__odd_names(repo: Path) -> None:
    for name in ODD_NAMES:
        (repo / name).mkdir()
        (repo / name / name).write_text(name)
    (repo / os.fsdecode(b"\xff")).write_text("no UTF-8")
    head = commit(repo)
    for name in ODD_NAMES:
        assert listing(repo, head, name) == {name: "file"}
        entry = entry_at(repo, head, f"{name}/{name}")
        assert entry is not None
        assert read_file(repo, entry) == name.encode()
    assert {f"{name}/{name}" for name in ODD_NAMES} | {"\udcff"} < set(all_files(repo, head))


def test_list_folder__what_git_cannot_be_asked_for(repo: Path) -> None:
    for path in ("a\0b", "\ud800"):
        with pytest.raises(UsageError, match="characters that git cannot be asked for"):
            list_folder(repo, "HEAD", path)
    with pytest.raises(UsageError, match="git cannot be run: Argument list too long"):
        list_folder(repo, "HEAD", "x" * 3_000_000)


def test_list_folder__partial_clone_fetches_nothing_and_what_the_hint_says(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", repo.as_uri(), clone.name)
    head = resolve_commit(clone, "main")
    with pytest.raises(UsageError, match="is partial and lacks what the commit holds") as caught:
        list_folder(clone, head, "a/b")
    git(clone, *str(caught.value.fix).split("`")[1].split()[1:])
    assert listing(clone, "main", "a/b") == {"file": "file"}


def test_all_files__of_one_commit(repo: Path) -> None:
    commit(repo, later="x")
    assert all_files(repo / "a", resolve_commit(repo, "v1.4")) == ("a/b/file", "a/top", "other")


def test_copy_file__any_size_where_the_target_stands(repo: Path, tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    (repo / "large").write_bytes(content)
    entry = entry_at(repo, commit(repo), "large")
    assert entry is not None
    assert entry.size == len(content)
    with (tmp_path / "copy").open("wb") as target:
        copy_file(repo, entry, target)
    assert (tmp_path / "copy").read_bytes() == content


def test_copy_file__full_disk(repo: Path) -> None:
    (repo / "large").write_bytes(bytes(100_000))
    entry = entry_at(repo, commit(repo), "large")
    assert entry is not None
    with Path("/dev/full").open("wb") as target, pytest.raises(BrokenRun, match="Is the disk full"):
        copy_file(repo, entry, target)


def test_read_file__damaged_repository(repo: Path) -> None:
    entry = Entry(name="gone", kind="file", object_id="1" * 40, size=3)
    with pytest.raises(BrokenRun, match="git cannot read 'gone': git says: ") as caught:
        read_file(repo, entry)
    assert caught.value.fix == "Try `git fsck`."


def test_lfs_folder__default_and_configured(repo: Path, tmp_path: Path) -> None:
    assert lfs_folder(repo / "a").resolve() == repo / ".git" / "lfs"
    git(repo, "worktree", "add", "-q", str(tmp_path / "tree"), "v1.4")
    assert lfs_folder(tmp_path / "tree").resolve() == repo / ".git" / "lfs"
    git(repo, "config", "lfs.storage", "elsewhere")
    assert lfs_folder(repo).resolve() == repo / ".git" / "elsewhere"
    git(repo, "config", "lfs.storage", str(tmp_path / "absolute"))
    assert lfs_folder(repo) == tmp_path / "absolute"


def a_program(tmp_path: Path, text: str) -> str:
    """A folder for PATH that holds nothing but a `git` of our own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "git").chmod(0o755)
    return str(folder)


def test_git__not_installed(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(repo, "main").message == "git is not installed, so nothing can be read from a commit."
    assert head_commit(repo) is None


def test_git__does_not_answer(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gate.transport.git._QUERY_SECONDS", 0.2)
    monkeypatch.setenv("PATH", a_program(tmp_path, "while :; do :; done"))
    with pytest.raises(BrokenRun, match="git did not answer within"):
        repository_path(repo)
    assert head_commit(repo) is None


def test_git__answers_in_another_form(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", a_program(tmp_path, 'case "$*" in *cat-file*) echo tree;; *) echo new form;; esac'))
    with pytest.raises(BrokenRun, match="in a form that is not understood"):
        list_folder(repo, "1" * 40, "a")


def test_git__ends_without_a_word(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", a_program(tmp_path, "exit 7"))
    with pytest.raises(BrokenRun, match=r"git cannot read commit 1: git ends with 7\."):
        all_files(repo, "1")
