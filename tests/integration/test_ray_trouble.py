"""`engine: {kind: ray}` where no cluster is to be had; none is started."""

import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate
from ray_quickstart import SUITES, configure

from gate.engine import ray_cluster, ray_process
from gate.errors import BrokenRun

ray = pytest.importorskip("ray", reason="the optional package `ray` is not installed")
ray_constants = pytest.importorskip("ray._private.ray_constants")


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nowhere.invalid:6379"])
def test_answer__a_cluster_that_is_not_there_breaks_the_run(
    gate: Gate, quickstart: Path, tmp_path: Path, address: str
) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = address.format(port=taken.getsockname()[1])
        config = configure(quickstart, f"{{kind: ray, address: '{address}'}}")
        ran = gate("answer", config, *SUITES, "--output", tmp_path / "out")
    assert ran.code == 4
    assert f"gate: engine.address: no Ray cluster answers at {address}\n" in ran.err


def test_answer__who_listens_there_but_is_no_cluster_breaks_the_run(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_process, "_JOINING_SECONDS", 5.0)
    # Else Ray takes 127.0.0.1 for this machine's other address.
    monkeypatch.setenv(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = configure(quickstart, f"{{kind: ray, address: '127.0.0.1:{server.getsockname()[1]}'}}")
        ran = gate("answer", config, *SUITES, "--output", tmp_path / "out")
        server.settimeout(1)
        server.accept()[0].close()
    assert ran.code == 4
    assert "gate: Ray has neither joined nor started a cluster within 5 seconds\n" in ran.err


@pytest.mark.parametrize("kind", [RuntimeError, ray.exceptions.RaySystemError, Exception])
def test_cluster__one_that_does_not_start_breaks_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def init(**_: Any) -> None:
        raise kind("timed out\nand a second line")

    monkeypatch.setenv(ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, "0")
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(BrokenRun) as broken, ray_cluster.cluster("local", folder=tmp_path):
        pass
    assert broken.value.message.startswith("Ray cannot be started here: ")
    assert broken.value.message.endswith("timed out")


def test_answer__without_ray_says_how_to_install_it(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = gate("answer", configure(quickstart, "{kind: ray}"), *SUITES, "--output", tmp_path / "out")
    assert ran.code == 3
    assert "pip install 'finetune-gate[ray]'" in ran.err


def test_answer__a_process_that_dies_breaks_the_run_whatever_its_exit_code(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    monkeypatch.setattr(ray_process, "_SHORT_FOLDER", tmp_path / "short")
    (tmp_path / "short").mkdir()
    ran = gate("answer", configure(quickstart, "{kind: ray}"), *SUITES, "--output", tmp_path / "out")
    assert ran.code == 4
    assert "gate: the process that uses Ray ended with 1\n" in ran.err
    assert not list((tmp_path / "short").iterdir())
