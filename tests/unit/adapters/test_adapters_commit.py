"""Adapters out of real commits: what is written, and that everything else is refused before it does harm."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest
from nobodys_git import git

from gate.adapters.commit import adapter_at
from gate.errors import AdapterRefused, BrokenRun, UsageError

pytest_plugins = ["repository_fixtures"]
pytestmark = pytest.mark.usefixtures("only_the_repository_configures_git")

WEIGHTS = b"\x08\0\0\0\0\0\0\0{}      weights"


def commit(repo: Path) -> None:
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "a commit")


def pointer(content: bytes, **changed: object) -> bytes:
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | changed
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{facts['sha256']}\nsize {facts['size']}\n".encode()


def store(git_folder: Path, content: bytes, *, under: bytes | None = None) -> None:
    name = hashlib.sha256(content if under is None else under).hexdigest()
    path = git_folder / "lfs" / "objects" / name[:2] / name[2:4] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An adapter at the tag v1.4 in `adapters/support`, which the newest commit has removed."""
    folder = tmp_path / "repo"
    adapter = folder / "adapters" / "support"
    adapter.mkdir(parents=True)
    (folder / "gate.yaml").write_text("version: 1\n")
    git(folder, "init", "-q", "-b", "main")
    (adapter / "adapter_config.json").write_text('{"r": 8}')
    (adapter / "adapter_model.safetensors").write_bytes(WEIGHTS)
    commit(folder)
    git(folder, "tag", "v1.4")
    shutil.rmtree(adapter)
    (folder / "adapters" / "readme").write_text("moved")
    commit(folder)
    git(folder, "checkout", "-q", "-b", "work", "v1.4")
    return folder


@pytest.fixture
def adapter(repo: Path) -> Path:
    """The adapter's folder in the checkout of the branch `work`."""
    return repo / "adapters" / "support"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def written(into: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in into.iterdir()}


def refusal(repo: Path, into: Path, *, path: str = "adapters/support", ref: str = "work") -> AdapterRefused:
    with pytest.raises(AdapterRefused) as caught:
        adapter_at(repo, path, ref, into=into)
    return caught.value


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        (".", "adapters/support"),
        (".", "./adapters//none/../support/"),
        ("adapters", "support"),
        ("adapters/support", "."),
        ("adapters", "../adapters/support"),
    ],
)
def test_adapter_at__the_commit_and_not_the_checkout(repo: Path, into: Path, folder: str, path: str) -> None:
    (repo / "adapters" / "support" / "adapter_config.json").write_text("changed")
    assert adapter_at(repo / folder, path, "v1.4", into=into).path == into
    assert written(into) == {"adapter_config.json": b'{"r": 8}', "adapter_model.safetensors": WEIGHTS}


def test_adapter_at__top_of_the_repository(tmp_path: Path, into: Path) -> None:
    repo = tmp_path / "top"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    (repo / "adapter_config.json").write_text("{}")
    (repo / "adapter_model.safetensors").write_bytes(pointer(WEIGHTS))
    commit(repo)
    assert refusal(repo, into, path=".", ref="main").message.startswith(". at main: 'adapter_model.safetensors': its")
    store(repo / ".git", WEIGHTS)
    adapter_at(repo, "", "main", into=into)
    assert written(into)["adapter_model.safetensors"] == WEIGHTS


def test_adapter_at__files_are_plain_and_readable_only(repo: Path, adapter: Path, into: Path) -> None:
    (adapter / "adapter_model.safetensors").chmod(0o755)
    commit(repo)
    adapter_at(repo, "adapters/support", "work", into=into)
    for path in into.iterdir():
        assert stat.S_IMODE(path.lstat().st_mode) & 0o333 == 0
        assert stat.S_ISREG(path.lstat().st_mode)


def test_adapter_at__odd_names_come_along_and_sub_folders_do_not(repo: Path, adapter: Path, into: Path) -> None:
    names = ("with space.json", "größe.txt", "line\nfeed", "-x", "*", os.fsdecode(b"\xff"))
    for name in names:
        (adapter / name).write_text("odd")
    (adapter / "checkpoint-10").mkdir()
    (adapter / "checkpoint-10" / "optimizer.pt").write_text("x")
    (adapter / "checkpoint-10" / "link").symlink_to("/etc/passwd")
    commit(repo)
    adapter_at(repo, "adapters/support", "work", into=into)
    assert written(into).keys() == {*names, "adapter_config.json", "adapter_model.safetensors"}


def test_adapter_at__folder_with_an_odd_name(repo: Path, adapter: Path, into: Path) -> None:
    adapter.rename(repo / "größe\n :(top)*")
    commit(repo)
    adapter_at(repo, "größe\n :(top)*", "work", into=into)
    assert written(into)["adapter_model.safetensors"] == WEIGHTS


def test_adapter_at__symbolic_link_among_the_files(repo: Path, adapter: Path, into: Path) -> None:
    (adapter / "tokenizer.json").symlink_to("/etc/passwd")
    commit(repo)
    assert "'tokenizer.json' is a symbolic link; only plain files" in refusal(repo, into).message
    assert written(into) == {}


def test_adapter_at__weights_are_a_symbolic_link_or_a_folder(repo: Path, adapter: Path, into: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.unlink()
    weights.symlink_to("../../../../outside")
    commit(repo)
    assert "'adapter_model.safetensors' is a symbolic link" in refusal(repo, into).message
    weights.unlink()
    weights.mkdir()
    (weights / "x").write_text("x")
    commit(repo)
    assert "the commit holds no adapter_model.safetensors there" in refusal(repo, into).message


def test_adapter_at__submodule_among_the_files(repo: Path, into: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head},adapters/support/more")
    git(repo, "commit", "-q", "-m", "a submodule")
    assert "'more' is a submodule; only plain files" in refusal(repo, into).message


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("adapters/link", "a symbolic link, which is not followed"),
        ("adapters/module", "a submodule, whose files are in another repository"),
        ("gate.yaml", "a file; name the folder"),
        ("adapters/link/x", "the commit holds no such folder"),
        ("../repo/adapters/support", "leads out of the repository"),
        ("adapters/../../x", "leads out of the repository"),
        ("/etc", "an absolute path cannot be read from a commit"),
        (".", "the commit holds no adapter_config.json and adapter_model.safetensors there"),
    ],
)
def test_adapter_at__no_adapter_folder(repo: Path, into: Path, path: str, reason: str) -> None:
    (repo / "adapters" / "link").symlink_to("support")
    git(repo, "add", "-A")
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{git(repo, 'rev-parse', 'HEAD')},adapters/module")
    git(repo, "commit", "-q", "-m", "links")
    assert reason in refusal(repo, into, path=path).message
    assert written(into) == {}


def test_adapter_at__absent_folder_names_near_ones(repo: Path, into: Path) -> None:
    error = refusal(repo, into, path="adapters/suport", ref="v1.4")
    assert error.message == "adapters/suport at v1.4: the commit holds no such folder (P02)"
    assert error.fix == "Adapters in that commit, from the top of the repository: 'adapters/support'."
    assert refusal(repo, into, ref="main").fix == (
        "It holds no adapter_config.json in any folder: was the adapter committed later?"
    )


def test_adapter_at__pickled_weights(repo: Path, adapter: Path, into: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    commit(repo)
    error = refusal(repo, into)
    assert error.message == "adapters/support at work: the commit holds no adapter_model.safetensors there (P02)"
    assert "safe_serialization=True" in str(error.fix)


def test_adapter_at__too_many_files(repo: Path, adapter: Path, into: Path) -> None:
    for number in range(199):
        (adapter / f"{number}.txt").write_text("x")
    commit(repo)
    assert refusal(repo, into).message == "adapters/support at work: 201 files, an adapter may have 200 (P32)"


def test_adapter_at__too_large(repo: Path, adapter: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = 5 * 1024**3
    (adapter / "adapter_model.safetensors").write_bytes(pointer(b"", size=huge))
    store(repo / ".git", b"")
    commit(repo)
    assert (
        refusal(repo, into).message
        == "adapters/support at work: the files have 5.0 GiB, an adapter may have 4 GiB (P32)"
    )
    assert written(into) == {}


def test_adapter_at__other_files_only_when_small(repo: Path, adapter: Path, into: Path) -> None:
    for name, size in (("tokenizer.json", 64 * 1024**2), ("optimizer.pt", 64 * 1024**2 + 1)):
        with (adapter / name).open("wb") as file:
            file.truncate(size)
    (adapter / "rng_state.pth").write_bytes(pointer(b"x", size=10**12))
    commit(repo)
    adapter_at(repo, "adapters/support", "work", into=into)
    assert written(into).keys() == {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}


def test_adapter_at__lfs_object_is_here(repo: Path, adapter: Path, into: Path) -> None:
    content = os.urandom(2_500_000)
    (adapter / "adapter_model.safetensors").write_bytes(pointer(content))
    (adapter / "tokenizer.json").write_bytes(pointer(b"tokens"))
    (adapter / "vocabulary.json").write_bytes(pointer(b"not here"))
    commit(repo)
    store(repo / ".git", content)
    store(repo / ".git", b"tokens")
    adapter_at(repo, "adapters/support", "work", into=into)
    assert written(into) == {
        "adapter_config.json": b'{"r": 8}',
        "adapter_model.safetensors": content,
        "tokenizer.json": b"tokens",
    }


def test_adapter_at__lfs_object_in_a_configured_store(repo: Path, adapter: Path, into: Path, tmp_path: Path) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(pointer(WEIGHTS))
    commit(repo)
    git(repo, "config", "lfs.storage", str(tmp_path / "shared" / "lfs"))
    store(tmp_path / "shared", WEIGHTS)
    adapter_at(repo, "adapters/support", "work", into=into)
    assert written(into)["adapter_model.safetensors"] == WEIGHTS


def test_adapter_at__lfs_object_is_absent(repo: Path, adapter: Path, into: Path) -> None:
    adapter = adapter.rename(repo / "adapters" / "my adapter")
    (adapter / "adapter_model.safetensors").write_bytes(pointer(bytes(1_500_000)))
    commit(repo)
    error = refusal(repo, into, path="adapters/my adapter")
    assert error.message.startswith(
        "adapters/my adapter at work: 'adapter_model.safetensors': its 1.5 MB are not on this machine: "
    )
    assert error.message.endswith("there is no remote called origin to fetch from (P01)")
    assert written(into) == {}


@pytest.mark.parametrize(
    ("stored", "changed", "wrong"),
    [
        (b"tampered", {}, "the SHA-256 sum"),
        (WEIGHTS, {"size": len(WEIGHTS) - 1}, f"{len(WEIGHTS) - 1} bytes"),
        (WEIGHTS, {"size": len(WEIGHTS) + 1}, f"{len(WEIGHTS) + 1} bytes"),
        (WEIGHTS + bytes(5_000_000), {}, f"{len(WEIGHTS)} bytes"),
        (WEIGHTS[:-1], {}, f"{len(WEIGHTS)} bytes"),
    ],
)
def test_adapter_at__lfs_object_is_not_what_the_pointer_promises(
    repo: Path, adapter: Path, into: Path, stored: bytes, changed: dict[str, int], wrong: str
) -> None:
    right = WEIGHTS if changed or stored.startswith(WEIGHTS[:8]) else b"original"
    (adapter / "adapter_model.safetensors").write_bytes(pointer(right, **changed))
    commit(repo)
    store(repo / ".git", stored, under=right)
    assert f"in the git-LFS store does not have {wrong} that its pointer promises" in refusal(repo, into).message
    assert "adapter_model.safetensors" not in written(into)


@pytest.mark.parametrize(
    "broken",
    [
        pointer(WEIGHTS).replace(b"sha256:", b"sha256:../../"),
        pointer(WEIGHTS, sha256=hashlib.sha256(WEIGHTS).hexdigest().upper()),
        pointer(WEIGHTS, size="1e3"),
        pointer(WEIGHTS, size="-1"),
        pointer(WEIGHTS, size="007"),
        pointer(WEIGHTS, size="9" * 16),
        pointer(WEIGHTS) + b"x",
        pointer(WEIGHTS)[:-1],
        pointer(WEIGHTS).replace(b"\n", b"\r\n"),
        pointer(WEIGHTS).replace(b"spec/v1", b"spec/v12"),
        pointer(WEIGHTS).replace(b"oid", b"ext-0-foo sha256:" + b"a" * 64 + b"\noid"),
    ],
)
def test_adapter_at__broken_lfs_pointer(repo: Path, adapter: Path, into: Path, broken: bytes) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(broken)
    commit(repo)
    store(repo / ".git", WEIGHTS)
    message = refusal(repo, into).message
    assert (
        message
        == "adapters/support at work: 'adapter_model.safetensors' begins like a git-LFS pointer but is none (P01)"
    )


def test_adapter_at__ref_is_refused(repo: Path, into: Path) -> None:
    with pytest.raises(UsageError, match="begins with '-'"):
        adapter_at(repo, "adapters/support", "--output=x", into=into)
    with pytest.raises(UsageError, match="'v9' is no commit, tag or branch"):
        adapter_at(repo, "adapters/support", "v9", into=into)
    with pytest.raises(UsageError, match="is in no git repository"):
        adapter_at(into, "adapters/support", "v1.4", into=into)


def test_adapter_at__shallow_clone(repo: Path, into: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "main")
    git(tmp_path, "clone", "-q", "--depth", "1", repo.as_uri(), "clone")
    with pytest.raises(UsageError) as caught:
        adapter_at(tmp_path / "clone", "adapters/support", "v1.4", into=into)
    git(tmp_path / "clone", *str(caught.value.fix).split("`")[1].split()[1:])
    adapter_at(tmp_path / "clone", "adapters/support", "v1.4", into=into)
    assert written(into)["adapter_model.safetensors"] == WEIGHTS


def test_adapter_at__overwrites_nothing(repo: Path, into: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (into / "adapter_config.json").symlink_to(outside)
    with pytest.raises(BrokenRun, match="cannot be written there: File exists"):
        adapter_at(repo, "adapters/support", "v1.4", into=into)
    assert not outside.exists()
