"""Hostile and broken candidates through the real command: exit 3, one clear sentence, nothing of them executed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUICKSTART, Gate, Ran
from safetensors.numpy import load_file, save_file

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
STUB = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 300000\n"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A sound adapter, to be spoiled."""
    return shutil.copytree(QUICKSTART / "adapters" / "forgetful", tmp_path / "adapter")


def configure(adapter: Path, **changes: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def reweigh(adapter: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = load_file(adapter / WEIGHTS)
    change(tensors)
    (adapter / WEIGHTS).unlink()
    save_file(tensors, adapter / WEIGHTS)


def check_refused(ran: Ran, message: str, where: Path | str) -> None:
    assert ran.code == 3, ran.err
    assert message in ran.err
    assert str(where) in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert len(ran.err.splitlines()) <= 2, ran.err


def one_nan(tensors: dict[str, Any]) -> None:
    tensors[min(tensors)][0, 0] = np.nan


def zero_updates(tensors: dict[str, Any]) -> None:
    for name, values in tensors.items():
        values[...] *= "lora_B" not in name


def half_missing(tensors: dict[str, Any]) -> None:
    for name in sorted(tensors)[: len(tensors) // 2]:
        del tensors[name]


def wrong_keys(tensors: dict[str, Any]) -> None:
    for name in sorted(tensors):
        tensors[name.replace("base_model.model.", "base_model.")] = tensors.pop(name)


def other_width(tensors: dict[str, Any]) -> None:
    for name in tensors:
        if "lora_A" in name:
            tensors[name] = np.ones((tensors[name].shape[0], tensors[name].shape[1] + 8), np.float32)


def other_rank(tensors: dict[str, Any]) -> None:
    name = max(tensors)
    tensors[name] = np.ones((tensors[name].shape[0], 4), np.float32)


def pipe_instead(file: Path) -> None:
    """Whoever opens it waits for somebody to write into it."""
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def enormous(tensors: dict[str, Any]) -> None:
    for values in tensors.values():
        values[...] *= np.float32(1e30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"megatron_config": {"a": 1}, "megatron_core": "evil_mod"}, "the key 'megatron_config' is set"),
        ({"megatron_core": "evil_mod"}, "the key 'megatron_core' is set"),
        ({"auto_mapping": {"base_model_class": "x", "parent_library": "evil_mod"}}, "the key 'auto_mapping' is set"),
        ({"parent_library": "evil_mod"}, "the key 'parent_library' is set"),
        ({"eva_config": {"rho": 2.0}}, "the key 'eva_config' is set"),
        ({"corda_config": {"cache_file": "evil.pt"}}, "the key 'corda_config' is set"),
        ({"lora_ga_config": {"cache_file": "evil.pt"}}, "the key 'lora_ga_config' is set"),
        ({"arrow_config": {"top_k": 1}}, "the key 'arrow_config' is set"),
        ({"loftq_config": {"loftq_bits": 4}}, "the key 'loftq_config' is set"),
        ({"runtime_config": {"ephemeral_gpu_offload": True}}, "the key 'runtime_config' is set"),
        ({"init_lora_weights": "corda"}, "`init_lora_weights` must be true, false, or a way to start"),
        ({"layer_replication": [[0, 2]] * 300}, "the key 'layer_replication' is set"),
        ({"r": 40_000_000}, "`r` must be a whole number from 0 to 8,192"),
        ({"rank_pattern": {"q_proj": 10**9}}, "`rank_pattern` must be a mapping"),
        ({"rank_pattern": {"(a+)+$": 8}}, "a pattern is not accepted"),
        ({"target_modules": "(.*.*)*_projX"}, "a pattern is not accepted"),
        ({"target_modules": ["(.*.*)*_projX"]}, "a pattern is not accepted"),
        ({"exclude_modules": "(.*.*)*_projX"}, "a pattern is not accepted"),
        ({"modules_to_save": ["(a+)+"]}, "a pattern is not accepted"),
        ({"layers_pattern": "(a+)+", "layers_to_transform": [0]}, "a pattern is not accepted"),
        ({"peft_type": "XLORA", "adapters": {"a": "evil/repo"}}, "it loads other adapters"),
        ({"peft_type": "NEW_LORA"}, "the adapter type 'NEW_LORA' is not known"),
        ({"task_type": "TOKEN_CLS"}, "the task type is 'TOKEN_CLS'"),
        ({"lora_alpha": 1e30}, "`lora_alpha` must be a number from -65,536 to 65,536 (P04)"),
        ({"lora_alpha": 0}, "`lora_alpha` is 0, so the adapter changes nothing (P04)"),
        ({"from_the_future": 3}, "the key 'from_the_future' is set and not known for LORA"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_gate__a_configuration_is_refused(
    gate: Gate, quickstart: Path, command: str, changes: dict[str, Any], message: str
) -> None:
    adapter = quickstart / "adapters" / "forgetful"
    configure(adapter, **changes)
    check_refused(gate(command, quickstart / "gate.yaml"), message, adapter / CONFIG)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: reweigh(a, one_nan), "1 tensor with NaN or infinity"),
        (lambda a: reweigh(a, zero_updates), "every update is zero, so this adapter is the base model (P03)"),
        (lambda a: reweigh(a, other_rank), "which is not of rank 8 (P05)"),
        (lambda a: reweigh(a, dict.clear), "holds no tensor (P02)"),
        (lambda a: (a / WEIGHTS).write_bytes(STUB), "a git-LFS pointer, not the weights (P01)"),
        (lambda a: (a / CONFIG).write_bytes(STUB), "a git-LFS pointer, not the file (P01)"),
        (lambda a: (a / WEIGHTS).rename(a / (WEIGHTS + ".dvc")), "stands in for a file that is not here (P01)"),
        (lambda a: os.truncate(a / WEIGHTS, 5_000), "not a whole safetensors file"),
        (lambda a: os.truncate(a / WEIGHTS, 0), "not a whole safetensors file"),
        (lambda a: (a / WEIGHTS).write_bytes((2**40).to_bytes(8, "little") + b"{}"), "not a whole safetensors file"),
        (lambda a: (a / WEIGHTS).unlink(), "no such file (P02)"),
        (lambda a: (a / CONFIG).unlink(), "no such file (P02)"),
        (lambda a: (a / CONFIG).write_text("[" * 100_000), "not valid JSON in UTF-8 (P02)"),
        (lambda a: (a / CONFIG).write_bytes((a / CONFIG).read_text("utf-8").encode("utf-16")), "not valid JSON in UTF-8 (P02)"),
        (lambda a: (pipe_instead(a / CONFIG)), "neither a file nor a folder (P32)"),
        (lambda a: (pipe_instead(a / "tokenizer_config.json")), "neither a file nor a folder (P32)"),
        (lambda a: (a / WEIGHTS).rename(a / "adapter_model.bin"), "pickle files are never loaded"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "check"])
def test_gate__broken_files_are_refused(
    gate: Gate, quickstart: Path, command: str, spoil: Callable[[Path], object], message: str
) -> None:
    adapter = quickstart / "adapters" / "forgetful"
    (adapter / WEIGHTS).chmod(0o644)
    spoil(adapter)
    check_refused(gate(command, quickstart / "gate.yaml"), message.replace("{a}", str(adapter)), adapter)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (half_missing, "is missing (P05)"),
        (wrong_keys, "has no place in the base model (P05)"),
        (other_width, "does not fit the base model: size mismatch for"),
    ],
)
def test_run__weights_for_another_base_are_refused_before_it_is_loaded(
    gate: Gate, adapter: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    reweigh(adapter, change)
    monkeypatch.setattr(
        "gate.engine.transformers_engine.base_loader", lambda *_, **__: pytest.fail("the base was loaded")
    )
    check_refused(gate("run", QUICKSTART / "gate.yaml", "--adapter", adapter, "--quiet"), message, adapter)


def test_run__weights_that_make_the_logits_infinite_are_the_adapters_fault(gate: Gate, adapter: Path) -> None:
    reweigh(adapter, enormous)
    ran = gate("run", QUICKSTART / "gate.yaml", "--adapter", adapter, "--quiet")
    check_refused(ran, "with it, the model's logits are not finite (P03)", adapter)


def test_run__nothing_of_a_hostile_adapter_is_executed(adapter: Path, tmp_path: Path) -> None:
    """As its author would have it: the command is started where the evil module lies."""
    workspace = tmp_path / "workspace"
    (workspace / "megatron").mkdir(parents=True)
    evil = f"open({str(tmp_path / 'owned')!r}, 'w').close()\n"
    for name in ("evil_mod.py", "megatron/__init__.py", "megatron/core.py"):
        (workspace / name).write_text(evil)
    (adapter / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["evil_mod.T", null]}}')
    (adapter / "modeling_evil.py").write_text(evil)
    (adapter / "adapter_model.bin").write_bytes(b"cposix\nsystem\n(S'touch " + bytes(tmp_path / "owned") + b"'\ntR.")
    hostile: list[dict[str, Any]] = [
        {"megatron_config": {"tensor_model_parallel_size": 1}, "megatron_core": "evil_mod"},
        {"auto_mapping": {"base_model_class": "T", "parent_library": "evil_mod"}},
        {"peft_type": "PROMPT_TUNING", "prompt_tuning_init": "TEXT", "tokenizer_name_or_path": str(adapter)},
    ]
    for changes in hostile:
        other = shutil.copytree(adapter, tmp_path / "hostile", dirs_exist_ok=True)
        shutil.copy(adapter / CONFIG, other / CONFIG)
        configure(other, **changes)
        command = [sys.executable, "-c", "from gate.cli import main; main()"]
        done = subprocess.run(
            [
                *command,
                "run",
                str(QUICKSTART / "gate.yaml"),
                "--adapter",
                str(other),
                "--output",
                str(tmp_path / "out"),
            ],
            cwd=workspace,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "owned").exists()


def test_check__what_is_odd_but_sound_is_a_warning(gate: Gate, quickstart: Path) -> None:
    configure(
        quickstart / "adapters" / "forgetful",
        lora_alpha=4096,
        peft_version="99.1.0",
        base_model_name_or_path="somebody/else",
    )
    ran = gate("check", quickstart / "gate.yaml")
    assert ran.code == 0, ran.err
    said = " ".join(ran.out.split())
    assert "makes the update 512 times as large, more than 64 (P04)" in said
    assert "written by PEFT 99.1.0, installed is" in said
    assert "The adapter was trained on 'somebody/else', the configured base is 'model'" in said


def test_run__the_base_as_a_full_fine_tune_is_refused(gate: Gate, quickstart: Path) -> None:
    shutil.copytree(quickstart / "model", quickstart / "tuned")
    config = quickstart / "gate.yaml"
    config.write_text(config.read_text("utf-8").replace("{adapter: adapters/forgetful}", "{model: tuned}"), "utf-8")
    assert "tuned" in config.read_text("utf-8")
    check_refused(gate("run", config), "every tensor is byte for byte the base's (P36)", quickstart / "tuned")
    (quickstart / "tuned" / "model.safetensors").write_bytes(STUB)
    check_refused(gate("check", config), "a git-LFS pointer, not the weights (P01)", quickstart / "tuned")
    (quickstart / "tuned" / "model.safetensors").rename(quickstart / "tuned" / "pytorch_model.bin")
    check_refused(gate("check", config), "pickled weights are never loaded", quickstart / "tuned")
