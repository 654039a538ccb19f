"""The engine on the real model: each arm is what it is called, and answers what plain greedy decoding answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QUICKSTART, Gate, read_round
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

LIMIT = 3


def answers(folder: Path) -> dict[tuple[str, str, str], str]:
    rows = [json.loads(line) for line in (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["suite"], row["case"], row["arm"]): row["text"] for row in rows}


def plain_answers(model: Any, arm: str) -> dict[tuple[str, str, str], str]:
    """One prompt at a time, no padding, no switch: what the engine must agree with."""
    tokenizer = AutoTokenizer.from_pretrained(QUICKSTART / "model")
    greedy = GenerationConfig(do_sample=False, max_new_tokens=40, eos_token_id=tokenizer.eos_token_id,
                              pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    model.generation_config = greedy
    found = {}
    for path in sorted((QUICKSTART / "evals").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines()[:LIMIT]:
            case = json.loads(line)
            messages = [{"role": "user", "content": case["prompt"]}]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
            output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
            answer = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
            found[path.stem, str(case["id"]), arm] = answer
    return found


def load_base() -> Any:
    return AutoModelForCausalLM.from_pretrained(QUICKSTART / "model").eval()


def make_adapter(folder: Path, **config: Any) -> Path:
    """An adapter with random weights: what it answers is noise, but it must be the same noise in both ways."""
    torch.manual_seed(7)
    model = get_peft_model(
        load_base(), LoraConfig(r=4, task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], **config)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * (0.02 if "bias" not in name else 0.1))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("config", "separate"),
    [({}, False), ({"use_rslora": True}, False), ({"use_dora": True}, False), ({"init_lora_weights": "pissa"}, True),
     ({"init_lora_weights": "olora"}, True)],
    ids=["plain", "rslora", "dora", "pissa", "olora"],
)  # fmt: skip
def test_run__both_arms_answer_as_plain_greedy_decoding(
    gate: Gate, tmp_path: Path, config: dict[str, Any], separate: bool
) -> None:
    adapter = make_adapter(tmp_path / "adapter", **config)
    ran = gate("answer", QUICKSTART / "gate.yaml", "--adapter", adapter, "--limit", LIMIT, "--output", tmp_path / "out")
    assert ran.code == 0
    tuned = PeftModel.from_pretrained(load_base(), str(adapter)).eval()
    expected = plain_answers(load_base(), "base") | plain_answers(tuned, "candidate")
    assert answers(tmp_path / "out") == expected
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert any("the base was loaded separately" in warning for warning in manifest["warnings"]) is separate
    seen = {check["id"]: check["message"] for check in manifest["preflight"]}
    assert seen["P11"].startswith("loaded separately") is separate
    assert seen["P12"] == seen["P13"] == seen["P15"] == ""


def test_run__the_folders_own_generation_settings_change_nothing(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    gate("answer", quickstart / "gate.yaml", "--limit", LIMIT, "--output", tmp_path / "plain")
    path = quickstart / "model" / "generation_config.json"
    settings = json.loads(path.read_text()) | {"repetition_penalty": 3.0, "do_sample": True, "temperature": 2.0}
    path.write_text(json.dumps(settings))
    gate("answer", quickstart / "gate.yaml", "--limit", LIMIT, "--output", tmp_path / "bent")
    assert answers(tmp_path / "plain") == answers(tmp_path / "bent")


def test_run__the_batch_plan_changes_no_answer(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    gate("answer", quickstart / "gate.yaml", "--limit", LIMIT, "--output", tmp_path / "large")
    config = quickstart / "gate.yaml"
    text = config.read_text(encoding="utf-8")
    assert "engine:" in text
    lines = [line for line in text.splitlines() if not line.startswith("engine:")]
    config.write_text("\n".join([*lines, "engine: {kind: transformers, batch_tokens: 256}"]), encoding="utf-8")
    gate("answer", config, "--limit", LIMIT, "--output", tmp_path / "small")
    assert answers(tmp_path / "large") == answers(tmp_path / "small")


def test_run__another_recorded_base_name_is_a_warning(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    path = quickstart / "adapters" / "forgetful" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "somebody/else"}))
    ran = gate("run", quickstart / "gate.yaml", "--limit", LIMIT, "--output", tmp_path / "out", "--suite", "facts")
    assert ran.code == 0
    assert "The adapter was trained on 'somebody/else', the configured base is 'model'" in " ".join(ran.out.split())
    assert any("somebody/else" in warning for warning in read_round(tmp_path / "out")["warnings"])


def spoil(adapter: Path, **changes: Any) -> Path:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return adapter


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 4}, "which is not of rank 4 (P05)"),
        ({"target_modules": ["q_proj"]}, "has no place in the base model"),
        ({"target_modules": ["nowhere"]}, "does not fit the base model"),
        ({"lora_alpha": 0}, "`lora_alpha` is 0, so the adapter changes nothing (P04)"),
        ({"layers_to_transform": [0]}, "has no place in the base model"),
    ],
)
def test_run__an_adapter_that_does_not_fit_is_refused(
    gate: Gate, quickstart: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    adapter = spoil(quickstart / "adapters" / "forgetful", **changes)
    ran = gate("run", quickstart / "gate.yaml", "--adapter", adapter, "--output", tmp_path / "out", "--quiet")
    assert ran.code == 3
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out" / "round.json").exists()


def test_run__an_adapter_for_a_deeper_base_is_refused(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    config = quickstart / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 2}))
    ran = gate("run", quickstart / "gate.yaml", "--output", tmp_path / "out", "--quiet")
    assert ran.code == 3
    assert "has no place in the base model" in ran.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda model: (model / "config.json").unlink(), "no config.json in this folder"),
        (lambda model: (model / "config.json").write_text("{"), "not a model configuration"),
        (lambda model: (model / "model.safetensors").unlink(), "no safetensors weights"),
        (lambda model: (model / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git-LFS"),
        (lambda model: (model / "model.safetensors").write_bytes(b"\0" * 100), "cannot be loaded"),
        (lambda model: (model / "tokenizer.json").write_text("{}"), "tokenizer"),
        (lambda model: (model / "chat_template.jinja").unlink(), "no chat template"),
    ],
)  # fmt: skip
def test_run__a_broken_base_is_refused(
    gate: Gate, quickstart: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(quickstart / "model")
    ran = gate("run", quickstart / "gate.yaml", "--output", tmp_path / "out", "--quiet")
    assert message in ran.err
    assert ran.code == 3
    assert "Traceback" not in ran.err


def test_run__a_prompt_that_does_not_fit_is_refused_not_cut(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    path = quickstart / "evals" / "facts.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "long", "prompt": "word " * 5000, "reference": "x"}) + "\n")
    ran = gate("run", quickstart / "gate.yaml", "--output", tmp_path / "out", "--quiet")
    assert ran.code == 3
    assert "facts/long: " in ran.err
    assert "do not fit the model's" in ran.err


def test_run__raw_prompts_need_no_chat_template(gate: Gate, quickstart: Path, tmp_path: Path) -> None:
    (quickstart / "model" / "chat_template.jinja").unlink()
    config = quickstart / "gate.yaml"
    text = config.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("generation:")]
    config.write_text("\n".join([*lines, "generation: {max_new_tokens: 8, template: raw}"]), encoding="utf-8")
    assert gate("run", config, "--limit", LIMIT, "--output", tmp_path / "out", "--suite", "facts").code == 0
