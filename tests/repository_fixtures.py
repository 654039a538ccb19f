"""Fixtures: a model repository, a runner that has checked it out, an empty clone, git alone. For `pytest_plugins`."""

import os
from pathlib import Path

import pytest
from action_repository import Repository, Runner, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "ws")


@pytest.fixture
def runner(repository: Repository, tmp_path: Path) -> Runner:
    return Runner(repository, tmp_path / "temp")


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """A repository with one commit and no file."""
    (tmp_path / "ws").mkdir()
    made = Repository(tmp_path / "ws")
    made.git("init", "-q")
    made.commit("first")
    return made


@pytest.fixture
def only_the_repository_configures_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """The git that the code under test starts: neither the machine's nor the developer's settings."""
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
