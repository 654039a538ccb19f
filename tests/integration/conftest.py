"""The quickstart's real model, and the command line as a person uses it, run in this process."""

import gc
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gate.cli import execute

QUICKSTART = Path(__file__).parents[2] / "sample_configs" / "quickstart"


os.environ["GATE_CACHE_DIR"] = tempfile.mkdtemp(prefix="gate-tests-")
"""For fixtures that outlive a test."""


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no test find another's answers, or a developer's."""
    monkeypatch.setenv("GATE_CACHE_DIR", str(tmp_path / "cache"))


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


Gate = Callable[..., Ran]
"""Runs `gate` with the arguments of a command line."""


@pytest.fixture
def gate(capfd: pytest.CaptureFixture[str]) -> Gate:
    """Run a command line and catch its output."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = execute([str(argument) for argument in arguments])
        caught = capfd.readouterr()
        return Ran(code, caught.out, caught.err)

    return run


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """A copy of the quickstart under a path with a space and letters outside ASCII."""
    target = tmp_path / "größe mit Leerzeichen"
    shutil.copytree(QUICKSTART, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def read_round(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "round.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture
def git() -> Callable[..., None]:
    """Run git in a folder, with nobody's settings."""

    def run(folder: Path, *arguments: str) -> None:
        nobody = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
        environment = {**os.environ, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", *nobody, *arguments]
        subprocess.run(command, cwd=folder, env=environment, check=True)

    return run


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], tuple[Path, dict[str, str]]]:
    """Small models of several builds by name: their folders, and what they answer alone, each made once."""
    from kinds import load_base, make_base
    from plain_runs import plain

    made: dict[Any, tuple[Path, dict[str, str]]] = {}

    def base(name: Any) -> tuple[Path, dict[str, str]]:
        if name not in made:
            folder = make_base(name, tmp_path_factory.mktemp(name))
            made[name] = folder, plain(load_base(folder), folder)
        return made[name]

    return base


@pytest.fixture(scope="session")
def kind_of() -> Callable[[str], Any]:
    """How to make an adapter, by name."""
    from kinds import KINDS

    return {kind.id: kind for kind in KINDS}.__getitem__


@pytest.fixture(scope="module")
def cheap() -> Iterator[None]:
    """Compute with one thread, and let no collection of garbage look at what was there before."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    torch.set_num_threads(threads)
