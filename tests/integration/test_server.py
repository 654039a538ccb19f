"""The server backend through the command line: against a real `transformers serve`, and against a fake vLLM."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICKSTART, Gate, read_round
from fake_server import Asked, Said, free_port
from fake_vllm import BASE, FakeVllm, error, fake_vllm

LIMIT = 4
KEY = "sk-very-secret-0123456789"
CONFIG = """
version: 1
base: {model: %s}
candidate: {adapter: adapters/forgetful}
engine: %s
generation: {max_new_tokens: 24}
suites:
  routing: {role: task, cases: evals/routing.jsonl, scorer: {kind: exact_match}}
  facts: {role: regression, cases: evals/facts.jsonl, scorer: {kind: exact_match, ignore_case: true}}
  lists: {role: regression, cases: evals/lists.jsonl, scorer: {kind: contains, all: ['- ']}}
"""


def configure(folder: Path, engine: dict[str, Any], base: str = "model") -> Path:
    path = folder / "server.yaml"
    path.write_text(CONFIG % (base, json.dumps({"kind": "server", **engine})), encoding="utf-8")
    return path


def rows(folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    lines = (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    return {(row["suite"], row["case"], row["arm"]): row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `transformers serve` of its own, which finds nothing on the hub."""
    folder, port = tmp_path_factory.mktemp("serve"), free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    offline = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [*command, "--device", "cpu"], env=os.environ | offline, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310 - this machine
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (folder / "output.txt").read_text()
                time.sleep(0.2)
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's adapter merged into its base: `transformers serve` loads no adapters."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("merged") / "model"
    shutil.copytree(QUICKSTART / "model", folder)
    base = AutoModelForCausalLM.from_pretrained(QUICKSTART / "model")
    PeftModel.from_pretrained(base, QUICKSTART / "adapters" / "forgetful").merge_and_unload().save_pretrained(folder)
    return folder


def test_answer__transformers_serve_answers_as_the_transformers_engine(
    gate: Gate, quickstart: Path, served: str, merged: Path, tmp_path: Path
) -> None:
    engine = {"url": served, "load": "names", "model": str(QUICKSTART / "model"), "names": {"candidate": str(merged)}}
    ran = gate("run", configure(quickstart, engine), "--limit", LIMIT, "--output", tmp_path / "server")
    assert ran.code == 0, ran.err
    local = quickstart / "local.yaml"
    local.write_text(CONFIG % ("model", "{kind: transformers, device: cpu}"), encoding="utf-8")
    assert gate("answer", local, "--limit", LIMIT, "--output", tmp_path / "local").code == 0
    there, here = rows(tmp_path / "server"), rows(tmp_path / "local")
    assert there.keys() == here.keys()
    for key, row in here.items():
        assert (there[key]["text"], there[key]["finish"]) == (row["text"], row["finish"]), key
        # The server counts the end of the turn.
        assert there[key]["tokens"] == row["tokens"] + (row["finish"] == "stop")
    found = read_round(tmp_path / "server")
    assert found["environment"]["dtype"] == "unknown"
    assert any("is trusted" in warning for warning in found["warnings"])


def test_answer__transformers_serve_with_raw_prompts(
    gate: Gate, quickstart: Path, served: str, merged: Path, tmp_path: Path
) -> None:
    engine = {"url": served, "load": "names", "model": str(QUICKSTART / "model"), "names": {"candidate": str(merged)}}
    texts = []
    for name, section in (
        ("server", engine | {"kind": "server"}),
        ("local", {"kind": "transformers", "device": "cpu"}),
    ):
        config = quickstart / f"{name}.yaml"
        raw = (CONFIG % ("model", json.dumps(section))).replace(
            "max_new_tokens: 24", "max_new_tokens: 8, template: raw"
        )
        config.write_text(raw, encoding="utf-8")
        ran = gate("answer", config, "--limit", 2, "--suite", "facts", "--output", tmp_path / name)
        assert ran.code == 0, ran.err
        texts.append({key: row["text"] for key, row in rows(tmp_path / name).items()})
    assert texts[0] == texts[1]


def test_answer__the_base_in_place_of_the_candidate_is_found_out(
    gate: Gate, quickstart: Path, served: str, tmp_path: Path
) -> None:
    base = str(QUICKSTART / "model")
    engine = {"url": served, "load": "names", "model": base, "names": {"candidate": base}}
    ran = gate("run", configure(quickstart, engine), "--limit", LIMIT, "--output", tmp_path / "out")
    assert ran.code == 3
    assert "answers with the base in place of the candidate" in ran.err
    assert not (tmp_path / "out" / "round.json").exists()


@pytest.fixture
def vllm() -> Iterator[FakeVllm]:
    with fake_vllm() as fake:
        yield fake


def vllm_engine(vllm: FakeVllm) -> dict[str, Any]:
    return {"url": f"{vllm.http.origin}/v1", "key_env": "MY_KEY", "concurrency": 2}


def test_run__the_bases_files_need_not_be_here_and_the_key_is_nowhere(
    gate: Gate, quickstart: Path, vllm: FakeVllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    config = configure(quickstart, vllm_engine(vllm), base=BASE)
    assert gate("check", config).code == 0
    ran = gate("run", config, "--limit", LIMIT, "--output", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = read_round(tmp_path / "out")
    assert found["arms"]["base"]["digest"] is None
    assert found["arms"]["candidate"]["digest"]
    assert len(rows(tmp_path / "out")) == 2 * 3 * LIMIT
    assert vllm.loaded == {}
    assert KEY not in ran.out + ran.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    # A server may be started anew with other weights under the same name: its answers are not kept.
    before = len(vllm.answers_of(BASE))
    assert gate("run", config, "--limit", LIMIT, "--output", tmp_path / "again").code == 0
    assert len(vllm.answers_of(BASE)) == 2 * before


def test_run__a_server_that_breaks_is_no_verdict_and_the_same_command_continues(
    gate: Gate, quickstart: Path, vllm: FakeVllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    config, out = configure(quickstart, vllm_engine(vllm), base=BASE), tmp_path / "out"

    def broken(asked: Asked, model: str, prompt: str) -> Said | None:
        return None if asked.content.get("logprobs") or model == BASE else error(400, "no such kernel")

    vllm.fault = broken
    ran = gate("run", config, "--limit", LIMIT, "--output", out)
    assert ran.code == 4
    assert "8 answers in a row could not be had; the last: HTTP 400: no such kernel" in ran.err
    assert "the same command continues" in ran.err
    assert not (out / "round.json").exists()
    assert vllm.loaded == {}
    began = len(vllm.answers_of(BASE))
    vllm.fault = lambda asked, model, prompt: None
    assert gate("run", config, "--limit", LIMIT, "--output", out).code == 0
    # What the base had answered is only asked once more, for the noise floor.
    assert len([one for one in vllm.answers_of(BASE)[began:] if "logprobs" not in one]) == 3 * LIMIT
    assert len(rows(out)) == 2 * 3 * LIMIT


def test_run__what_failed_in_a_run_that_broke_off_is_asked_again(
    gate: Gate, quickstart: Path, vllm: FakeVllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    config, out = configure(quickstart, vllm_engine(vllm), base=BASE), tmp_path / "out"
    failed: list[str] = []

    def broken(asked: Asked, model: str, prompt: str) -> Said | None:
        if asked.content.get("logprobs"):
            return None
        if model == BASE:
            failed.append(prompt)
            return error(400, "unlucky") if len(failed) == 1 else None
        return error(400, "no such kernel")

    vllm.fault = broken
    assert gate("answer", config, "--limit", LIMIT, "--output", out).code == 4
    vllm.fault = lambda asked, model, prompt: None
    assert gate("answer", config, "--limit", LIMIT, "--output", out).code == 0
    assert {row["finish"] for row in rows(out).values()} == {"stop"}


def test_run__interrupted_it_ends_at_once_and_leaves_no_adapter_behind(
    quickstart: Path, vllm: FakeVllm, tmp_path: Path
) -> None:
    asked, release = threading.Event(), threading.Event()

    def hang(one: Asked, model: str, prompt: str) -> None:
        if not one.content.get("logprobs"):
            asked.set()
            release.wait(120)

    vllm.fault = hang
    config = configure(quickstart, vllm_engine(vllm), base=BASE)
    command = [
        sys.executable,
        "-m",
        "gate",
        "run",
        str(config),
        "--limit",
        str(LIMIT),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(command, env=os.environ | {"MY_KEY": KEY}, stderr=subprocess.PIPE, text=True)
    try:
        assert asked.wait(120)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        release.set()
    assert process.returncode == 130
    assert "the same command continues" in err
    assert vllm.was_loaded
    assert vllm.loaded == {}


def test_check__a_mistake_in_the_section_is_named(gate: Gate, quickstart: Path) -> None:
    ran = gate("check", configure(quickstart, {"url": "http://127.0.0.1:8000/v1", "concurency": 4}))
    assert ran.code == 3
    assert "engine.concurency: unknown key, did you mean 'concurrency'?" in ran.out + ran.err
