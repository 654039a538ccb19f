"""Candidate and base out of a commit, through the real command."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate, read_round


@pytest.fixture
def repo(quickstart: Path, git: Any) -> Path:
    """The quickstart as a repository whose newest commit is right, and whose checkout has lost everything."""
    git(quickstart, "init", "-q")
    git(quickstart, "add", "-A")
    git(quickstart, "commit", "-qm", "all of it")
    return quickstart


def head(repo: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True).stdout.strip()


def test_run__candidate_and_base_come_from_the_commit(gate: Gate, repo: Path, tmp_path: Path) -> None:
    commit = head(repo)
    shutil.rmtree(repo / "adapters")
    shutil.rmtree(repo / "model")
    out = tmp_path / "out"
    ran = gate("run", repo / "gate.yaml", "--candidate-ref", commit, "--limit", 4, "--output", out, "--quiet")
    assert ran.code in (0, 1), ran.err
    arms = read_round(out)["arms"]
    assert arms["candidate"]["adapter"] == "adapters/forgetful"
    assert arms["base"]["model"] == "model"
    assert read_round(out)["commit"] == commit
    assert not (repo / "model").exists()


def test_answer__another_adapter_of_the_commit(
    gate: Gate, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo / "adapters")
    shutil.rmtree(repo / "adapters" / "careful")
    ran = gate("answer", repo / "gate.yaml", "--candidate-ref", "HEAD", "--adapter", "careful", "--limit", 2,
               "--output", tmp_path / "out", "--quiet")  # fmt: skip
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link", "is a symbolic link"),
        ("folder link", "a symbolic link, which is not followed"),
        ("submodule", "is a submodule; only plain files are read from a commit (P32)"),
        ("outside", "leads out of the repository"),
        ("absolute", "an absolute path cannot be read from a commit"),
        ("absent", "the commit holds no such folder (P02)"),
        ("base link", "'tokenizer.json' is a symbolic link"),
        ("absolute base", "an absolute path cannot be read from a commit"),
        ("uncommitted base", "other/base at HEAD: the commit holds no such folder (P02)"),
    ],
)
def test_run__what_is_no_plain_file_never_leaves_the_commit(
    gate: Gate, repo: Path, tmp_path: Path, git: Any, change: str, message: str
) -> None:
    config, adapter = repo / "gate.yaml", repo / "adapters" / "forgetful"
    text = config.read_text("utf-8")
    match change:
        case "link":
            (adapter / "adapter_model.safetensors").unlink()
            (adapter / "adapter_model.safetensors").symlink_to("/etc/passwd")
        case "folder link":
            shutil.rmtree(adapter)
            adapter.symlink_to("careful")
        case "base link":
            (repo / "model" / "tokenizer.json").unlink()
            (repo / "model" / "tokenizer.json").symlink_to("/etc/passwd")
        case "outside":
            text = text.replace("adapters/forgetful", "../../etc")
        case "absolute":
            text = text.replace("adapters/forgetful", str(adapter))
        case "absent":
            text = text.replace("adapters/forgetful", "adapters/none")
        case "absolute base":
            text = text.replace("{model: model}", f"{{model: {str(repo / 'model')!r}}}")
        case "uncommitted base":
            text = text.replace("{model: model}", "{model: other/base}")
    git(repo, "add", "-A")
    if change == "submodule":
        git(repo, "update-index", "--add", "--cacheinfo", f"160000,{head(repo)},adapters/forgetful/more")
    git(repo, "commit", "-q", "--allow-empty", "-m", "spoiled")
    if change == "uncommitted base":
        shutil.copytree(repo / "model", repo / "other" / "base")
    config.write_text(text, "utf-8")
    ran = gate("run", config, "--candidate-ref", "HEAD", "--output", tmp_path / "out", "--quiet")
    assert ran.code == 3, ran.err
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert "root:" not in ran.err


def test_run__a_ref_and_a_revision_exclude_each_other(gate: Gate, repo: Path) -> None:
    config = repo / "gate.yaml"
    config.write_text(config.read_text("utf-8").replace("{adapter: adapters/forgetful}", "{adapter: a/b, revision: r}"))
    ran = gate("run", config, "--candidate-ref", "HEAD", "--quiet")
    assert ran.code == 3
    assert "--candidate-ref: the candidate has a `revision`" in ran.err


@pytest.mark.parametrize("ref", ["no-such-branch", "--upload-pack=evil", "HEAD:adapters", ""])
def test_run__a_ref_that_is_none(gate: Gate, repo: Path, ref: str) -> None:
    ran = gate("run", repo / "gate.yaml", f"--candidate-ref={ref}", "--quiet")
    assert ran.code == 3
    assert "Traceback" not in ran.err


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_run__weights_in_git_lfs_are_fetched(gate: Gate, quickstart: Path, tmp_path: Path, git: Any,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(quickstart, "init", "-q")
    git(quickstart, "lfs", "install", "--local")
    git(quickstart, "lfs", "track", "*.safetensors")
    git(quickstart, "remote", "add", "origin", remote.as_uri())
    git(quickstart, "add", "-A")
    git(quickstart, "commit", "-qm", "all of it")
    git(quickstart, "push", "-q", "origin", "main")
    clone = tmp_path / "clone"
    git(tmp_path, "-c", "filter.lfs.smudge=", "clone", "-q", remote.as_uri(), str(clone))
    assert (clone / "model" / "model.safetensors").read_bytes().startswith(b"version https://git-lfs")
    ran = gate("run", clone / "gate.yaml", "--candidate-ref", "main", "--limit", 2, "--output", tmp_path / "out")
    assert ran.code in (0, 1), ran.err
    assert read_round(tmp_path / "out")["arms"]["candidate"]["digest"]


def test_check__checkpoints_and_named_folders_are_found(gate: Gate, quickstart: Path) -> None:
    adapter = quickstart / "adapters" / "forgetful"
    made = adapter.rename(quickstart / "made")
    for step in (9, 10):
        shutil.copytree(made, adapter / f"checkpoint-{step}")
    path = adapter / "checkpoint-10" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_alpha": 0}))
    ran = gate("check", quickstart / "gate.yaml")
    assert ran.code == 3
    assert "checkpoint-10/adapter_config.json: `lora_alpha` is 0" in ran.err
    shutil.copytree(made, adapter / "support")
    assert gate("check", quickstart / "gate.yaml").code == 0
    shutil.copytree(made, adapter / "other")
    ran = gate("check", quickstart / "gate.yaml")
    assert ran.code == 3
    assert "holds 2 adapters, in 'other', 'support', and which one is meant is unknown (P02)" in ran.err
