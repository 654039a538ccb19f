"""`engine: {kind: ray}` where no cluster is to be had; none is started."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Gate
from ray_quickstart import SUITES, configure

ray = pytest.importorskip("ray", reason="the optional package `ray` is not installed")


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "nowhere.invalid:6379"])
def test_run__a_cluster_that_is_not_there_breaks_the_run(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = address.format(port=taken.getsockname()[1])
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        config = configure(quickstart, f"{{kind: ray, address: '{address}'}}")
        ran = gate("answer", config, *SUITES, "--output", tmp_path / "out")
    assert ran.code == 4
    assert f"gate: engine.address: no Ray cluster answers at {address}\n" in ran.err


def test_run__who_listens_there_but_is_no_cluster_breaks_the_run(quickstart: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        config = configure(quickstart, f"{{kind: ray, address: '{address}'}}")
        command = [sys.executable, "-m", "gate", "answer", str(config), "--output", str(tmp_path / "out")]
        soon = {f"RAY_{name}": "1" for name in ("py_gcs_connect_timeout_s", "gcs_rpc_server_connect_timeout_s")}
        soon["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray takes 127.0.0.1 for this machine's other address
        ran = subprocess.run(command, env=os.environ | soon, capture_output=True, text=True, timeout=300, check=False)
        server.settimeout(1)
        server.accept()[0].close()
    assert ran.returncode == 4
    assert f"gate: engine.address: no Ray cluster answers at {address}\n" in ran.stderr


@pytest.mark.parametrize("kind", [RuntimeError, ray.exceptions.RaySystemError, Exception])
def test_run__a_cluster_that_does_not_start_breaks_the_run(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def init(**_: Any) -> None:
        raise kind("timed out\nand a second line")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "init", init)
    ran = gate("answer", configure(quickstart, "{kind: ray, address: local}"), *SUITES, "--output", tmp_path / "out")
    assert ran.code == 4
    assert "Ray cannot be started here: " in ran.err
    assert "timed out\n" in ran.err
    assert "bug in gate" not in ran.err


def test_run__without_ray_says_how_to_install_it(
    gate: Gate, quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = gate("answer", configure(quickstart, "{kind: ray}"), *SUITES, "--output", tmp_path / "out")
    assert ran.code == 3
    assert "pip install 'finetune-gate[ray]'" in ran.err
