"""The trial in a child process: what hangs, crashes or takes all memory there is refused, and this process lives on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import QUICKSTART

from gate.adapters.folder import read_adapter
from gate.engine import trial
from gate.engine.base_model import BaseFolder, find_base
from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused


@pytest.fixture
def base() -> BaseFolder:
    return find_base("model", None, QUICKSTART)


@pytest.fixture
def files() -> AdapterFiles:
    adapter = read_adapter(QUICKSTART / "adapters" / "careful")
    return AdapterFiles(path=adapter.path, name="careful", tensor_names=adapter.tensor_names,
                        description=adapter.description, digest=adapter.digest)  # fmt: skip


def hang(*_: object) -> None:
    time.sleep(1000)


def crash(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exhaust(*_: object) -> None:
    held = []
    while True:
        held.append(bytearray(256 * 1024 * 1024))


def mislead(*_: object) -> None:
    raise ValueError("Target modules {'x'} not found in the base model.\nand more")


def stumble(*_: object) -> None:
    raise NotImplementedError("Cannot copy out of meta tensor; no data!")


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        (hang, "PEFT hangs on its configuration"),
        (crash, "attaching it crashed or took more memory than is reasonable"),
        (exhaust, "attaching it crashed or took more memory than is reasonable"),
        (mislead, "does not fit the base model: Target modules {'x'} not found in the base model. (P05)"),
    ],
)
def test_try_attach__a_child_that_fails(
    base: BaseFolder,
    files: AdapterFiles,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[..., None],
    message: str,
) -> None:
    monkeypatch.setattr(trial, "_LIMIT_SECONDS", 1 if happens is hang else 60)
    monkeypatch.setattr(trial, "_what_is_wrong", happens)
    with pytest.raises(AdapterRefused) as caught:
        trial.try_attach(base, files)
    assert message in str(caught.value)


def test_try_attach__shapes_that_are_too_little_say_nothing(
    base: BaseFolder, files: AdapterFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_what_is_wrong", stumble)
    trial.try_attach(base, files)


def test_try_attach__a_sound_adapter(base: BaseFolder, files: AdapterFiles) -> None:
    trial.try_attach(base, files)


def test_try_attach__a_base_of_another_width(base: BaseFolder, files: AdapterFiles, tmp_path: Path) -> None:
    config = (base.path / "config.json").read_text("utf-8")
    assert '"hidden_size": 128' in config
    (tmp_path / "config.json").write_text(config.replace('"hidden_size": 128', '"hidden_size": 256'), "utf-8")
    other = BaseFolder(path=tmp_path, name="wide", revision=None, description="", digest="")
    with pytest.raises(AdapterRefused, match="does not fit the base model: size mismatch for"):
        trial.try_attach(other, files)
