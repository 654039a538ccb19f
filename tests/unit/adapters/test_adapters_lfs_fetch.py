"""Git-LFS objects that must be fetched, from a real remote with the real git-lfs."""

import shutil
from pathlib import Path

import pytest
from nobodys_git import git

from gate.adapters.commit import adapter_at, is_folder_at, model_at
from gate.errors import AdapterRefused
from gate.transport.git_lfs import lfs_folder

pytest_plugins = ["repository_fixtures"]
pytestmark = pytest.mark.usefixtures("only_the_repository_configures_git")

WEIGHTS = b"\x08\0\0\0\0\0\0\0{}      " + b"weights" * 1000

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone that has the commits and none of the git-LFS objects, which are at its remote."""
    made, remote = tmp_path / "made", tmp_path / "remote.git"
    (made / "adapters" / "my adapter").mkdir(parents=True)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    git(made, "init", "-q", "-b", "main")
    git(made, "lfs", "install", "--local")
    git(made, "remote", "add", "origin", remote.as_uri())
    (made / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    (made / "adapters" / "my adapter" / "adapter_config.json").write_text("{}")
    (made / "adapters" / "my adapter" / "adapter_model.safetensors").write_bytes(WEIGHTS)
    (made / "model").mkdir()
    (made / "model" / "config.json").write_text("{}")
    (made / "model" / "modeling_evil.py").write_text("raise SystemExit")
    (made / "model" / "model.safetensors").write_bytes(WEIGHTS[::-1])
    (made / ".lfsconfig").write_text("[lfs]\n\turl = http://127.0.0.1:9/evil\n\tfetchexclude = *\n")
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "an adapter")
    git(made, "-c", f"lfs.url={remote.as_uri()}", "push", "-q", "origin", "main")
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", remote.as_uri(), str(folder))
    assert not (folder / ".git" / "lfs" / "objects").exists()
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@needs_lfs
@pytest.mark.parametrize("path_remote", [False, True])
def test_adapter_at__absent_objects_are_fetched_whatever_the_commit_says(
    clone: Path, into: Path, tmp_path: Path, path_remote: bool
) -> None:
    if path_remote:
        git(clone, "remote", "set-url", "origin", str(tmp_path / "remote.git"))
    taken = adapter_at(clone, "adapters/my adapter", "main", into=into)
    assert (taken.path / "adapter_model.safetensors").read_bytes() == WEIGHTS
    stored = [path for path in (lfs_folder(clone) / "objects").rglob("*") if path.is_file()]
    assert len(stored) == 1


@needs_lfs
def test_model_at__weights_are_fetched_and_code_stays_behind(clone: Path, into: Path) -> None:
    assert is_folder_at(clone, "model", "main")
    assert not is_folder_at(clone, "modle", "main")
    model_at(clone, "model", "main", into=into)
    assert {path.name for path in into.iterdir()} == {"config.json", "model.safetensors"}
    assert (into / "model.safetensors").read_bytes() == WEIGHTS[::-1]


@needs_lfs
def test_adapter_at__an_object_that_was_never_pushed(clone: Path, into: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "remote.git" / "lfs")
    with pytest.raises(AdapterRefused, match=r"is in git LFS, and file://.* does not have it: .* \(P01\)"):
        adapter_at(clone, "adapters/my adapter", "main", into=into)
    assert not list(into.iterdir())


@needs_lfs
def test_adapter_at__too_large_is_refused_before_anything_is_fetched(
    clone: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate.adapters.commit.LARGEST_ADAPTER_GIB", 0)
    with pytest.raises(AdapterRefused, match=r"an adapter may have 0 GiB \(P32\)"):
        adapter_at(clone, "adapters/my adapter", "main", into=into)
    assert not (clone / ".git" / "lfs" / "objects").exists()


def test_adapter_at__without_git_lfs_one_sentence_says_so(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "repo"
    adapter = folder / "adapter"
    adapter.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "https://user:secret@127.0.0.1:9/a/b")
    (adapter / "adapter_config.json").write_text("{}")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5000000\n"
    (adapter / "adapter_model.safetensors").write_text(pointer)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a pointer")
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(only_git))
    monkeypatch.setenv("GIT_EXEC_PATH", str(tmp_path))
    with pytest.raises(AdapterRefused) as caught:
        adapter_at(folder, "adapter", "main", into=into)
    assert "its 5.0 MB are not on this machine" in caught.value.message
    assert "git-lfs is not installed" in caught.value.message
    assert "secret" not in str(caught.value)
