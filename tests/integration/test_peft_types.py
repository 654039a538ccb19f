"""Our table of adapter types against the PEFT that is installed, and one adapter of each common kind."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import QUICKSTART
from peft import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    AdaLoraConfig,
    BOFTConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    OFTConfig,
    PrefixTuningConfig,
    PromptEncoderConfig,
    PromptTuningConfig,
    TrainableTokensConfig,
    VeraConfig,
    get_peft_model,
)
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from gate.adapters.checklist import Checklist
from gate.adapters.folder import read_adapter
from gate.adapters.peft_config import read_config
from gate.adapters.peft_types import NEVER, SETTINGS, UNSET
from gate.engine.base_model import find_base
from gate.engine.session import AdapterFiles
from gate.engine.trial import try_attach

SOME: dict[str, Any] = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
ONLY: dict[str, Any] = {"task_type": "CAUSAL_LM"}
NEEDS: dict[str, dict[str, Any]] = {"ADALORA": {"total_step": 10}, "CPT": ONLY}


def test_settings__every_setting_of_the_installed_peft_was_looked_at() -> None:
    installed = {kind.value: config for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    assert installed.keys() - NEVER.keys() == SETTINGS.keys()
    for kind, settings in SETTINGS.items():
        fields = {field.name for field in dataclasses.fields(installed[kind])}
        assert fields - UNSET.keys() == settings.keys(), kind


@pytest.mark.parametrize("kind", sorted(SETTINGS))
def test_read_config__what_peft_writes_unasked_is_accepted(tmp_path: Path, kind: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        config = next(c for k, c in PEFT_TYPE_TO_CONFIG_MAPPING.items() if k.value == kind)(**NEEDS.get(kind, {}))
    config.save_pretrained(str(tmp_path))
    checks = Checklist()
    assert read_config(tmp_path / "adapter_config.json", checks).peft_type == kind
    assert {check.outcome for check in checks.passed("P04", "P06")} == {"ok"}


ADAPTERS: dict[str, Any] = {
    "rslora": LoraConfig(use_rslora=True, **SOME),
    "dora": LoraConfig(use_dora=True, **SOME),
    "patterns": LoraConfig(rank_pattern={"q_proj": 4}, alpha_pattern={"q_proj": 32}, **SOME),
    "head": LoraConfig(modules_to_save=["lm_head"], **SOME),
    "tokens": LoraConfig(trainable_token_indices=[1, 2], **SOME),
    "layers": LoraConfig(layers_to_transform=[0], **SOME),
    "embedding": LoraConfig(target_modules=["q_proj", "embed_tokens"], task_type="CAUSAL_LM"),
    "parameters": LoraConfig(target_parameters=["mlp.gate_proj.weight"], target_modules=[], task_type="CAUSAL_LM"),
    "pissa": LoraConfig(init_lora_weights="pissa", **SOME),
    "no task": LoraConfig(target_modules=["q_proj"]),
    "labels": LoraConfig(target_modules=["q_proj"], task_type="SEQ_CLS"),
    "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], **ONLY),
    "adalora": AdaLoraConfig(total_step=10, **SOME),
    "vera": VeraConfig(r=16, **SOME),
    "oft": OFTConfig(oft_block_size=16, **SOME),
    "boft": BOFTConfig(boft_block_size=4, **SOME),
    "loha": LoHaConfig(**SOME),
    "lokr": LoKrConfig(**SOME),
    "norms": LNTuningConfig(**ONLY),
    "prompt": PromptTuningConfig(num_virtual_tokens=8, **ONLY),
    "encoder": PromptEncoderConfig(num_virtual_tokens=8, encoder_hidden_size=32, **ONLY),
    "prefix": PrefixTuningConfig(num_virtual_tokens=8, **ONLY),
    "new tokens": TrainableTokensConfig(token_indices=[1, 2], **ONLY),
}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_try_attach__an_adapter_as_peft_saves_it(tmp_path: Path, kind: str) -> None:
    config = ADAPTERS[kind]
    labels = config.task_type == "SEQ_CLS"
    with warnings.catch_warnings(action="ignore"):
        model_class = AutoModelForSequenceClassification if labels else AutoModelForCausalLM
        model = get_peft_model(
            model_class.from_pretrained(QUICKSTART / "model", **({"num_labels": 5} if labels else {})), config
        )
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data.add_(torch.full_like(parameter, 0.01))
        model.save_pretrained(str(tmp_path))
    adapter = read_adapter(tmp_path, base="model")
    assert adapter.peft_type == config.peft_type.value
    assert adapter.task_type == (config.task_type or "CAUSAL_LM")
    assert {check.outcome for check in adapter.checks} == {"ok"}
    assert json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))["peft_type"] == adapter.peft_type
    files = AdapterFiles(
        path=adapter.path,
        name=kind,
        tensor_names=adapter.tensor_names,
        description=adapter.description,
        digest=adapter.digest,
        peft_type=adapter.peft_type,
        task_type=adapter.task_type,
    )
    try_attach(find_base("model", None, QUICKSTART), files)
