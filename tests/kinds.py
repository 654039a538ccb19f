"""Adapters of every kind, made on small models with random weights: what they answer is noise, but always the same."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from conftest import QUICKSTART
from peft import PeftConfig, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.utils import PeftType
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from gate.adapters.folder import read_adapter
from gate.engine.session import AdapterFiles

ATTENTION = ["q_proj", "v_proj"]
BaseName = Literal["quickstart", "biased", "conv1d", "experts"]


@dataclass(frozen=True)
class Kind:
    """How to make an adapter."""

    id: str
    type: str
    options: dict[str, Any] = field(default_factory=dict)
    base: BaseName = "quickstart"
    scale: float = 0.3
    """Standard deviation of the noise that stands for training."""
    separate: bool = False
    """Whether the base must be loaded apart from it."""
    save: dict[str, Any] = field(default_factory=dict)


def make_base(name: BaseName, folder: Path) -> Path:
    """A model that speaks the quickstart's tokens; the quickstart's own, or one of another build with random weights."""
    if name == "quickstart":
        return QUICKSTART / "model"
    torch.manual_seed(3)
    small = {"vocab_size": 512, "bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 0}
    model: Any
    if name == "biased":
        model = LlamaForCausalLM(LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                                             max_position_embeddings=256, attention_bias=True, mlp_bias=True, **small))  # fmt: skip
    elif name == "conv1d":
        model = GPT2LMHeadModel(GPT2Config(n_embd=64, n_layer=2, n_head=4, n_positions=256, **small))
    else:
        model = MixtralForCausalLM(MixtralConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
                                                 max_position_embeddings=256, num_local_experts=4, **small))  # fmt: skip
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / file).write_bytes((QUICKSTART / "model" / file).read_bytes())
    return folder


def load_base(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def load_router(folder: Path, labels: int) -> Any:
    """As the engine draws the head that a base has not got."""
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels).eval()


def disturb(model: Any, scale: float) -> None:
    """Move everything that is trained; what was trained is not the point."""
    torch.manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * scale * (0.3 if "bias" in name else 1.0))


def make_adapter(kind: Kind, base: Path, folder: Path, load: Callable[[Path], Any] = load_base) -> Path:
    """Save an adapter as PEFT itself does."""
    torch.manual_seed(5)
    config_class: type[PeftConfig] = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[kind.type]]
    with warnings.catch_warnings(action="ignore"):
        model = get_peft_model(load(base), config_class(**({"task_type": "CAUSAL_LM"} | kind.options)))
        disturb(model, kind.scale)
        model.save_pretrained(folder, **kind.save)
    return folder


def inspected(folder: Path) -> AdapterFiles:
    """An adapter as the inspection hands it on."""
    found = read_adapter(folder)
    return AdapterFiles(path=found.path, name=folder.name, tensor_names=found.tensor_names, description=found.description,
                        digest=found.digest, peft_type=found.peft_type, task_type=found.task_type)  # fmt: skip


def adapter_files(folder: Path) -> AdapterFiles:
    """An adapter past the inspection, whatever that says of it: to see what the engine itself refuses."""
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as tensors:
        names = frozenset(tensors.keys())
    return AdapterFiles(path=folder, name=folder.name, tensor_names=names, description=config["peft_type"],
                        digest=folder.name, peft_type=config["peft_type"], task_type=config["task_type"])  # fmt: skip


def _lora(
    name: str, *, base: BaseName = "quickstart", scale: float = 0.3, separate: bool = False, **options: Any
) -> Kind:
    return Kind(f"lora-{name}", "LORA", {"r": 4, "target_modules": ATTENTION} | options, base, scale, separate)


KINDS = [
    _lora("plain"),
    _lora("rslora", use_rslora=True),
    _lora("dora", use_dora=True),
    _lora("rank_pattern", rank_pattern={"layers.1.self_attn.q_proj": 2, "v_proj": 8}),
    _lora("alpha_pattern", alpha_pattern={"layers.0.self_attn.v_proj": 32}, rank_pattern={"layers.0.self_attn.q_proj": 1}),
    _lora("all-linear", target_modules="all-linear", scale=0.1),
    _lora("mlp", target_modules=["gate_proj", "down_proj"]),
    _lora("excluded", target_modules=["q_proj", "k_proj", "v_proj"], exclude_modules=["k_proj"]),
    _lora("layers", layers_to_transform=[1, 3], layers_pattern="layers"),
    _lora("gaussian", init_lora_weights="gaussian"),
    _lora("orthogonal", init_lora_weights="orthogonal"),
    _lora("random", init_lora_weights=False),
    _lora("pissa", init_lora_weights="pissa", separate=True, scale=0.1),
    _lora("pissa-fast", init_lora_weights="pissa_niter_4", separate=True, scale=0.1),
    _lora("olora", init_lora_weights="olora", separate=True, scale=0.1),
    _lora("saved-norm", modules_to_save=["norm"]),
    _lora("saved-head", modules_to_save=["lm_head"], scale=0.1),
    _lora("saved-embeddings", modules_to_save=["embed_tokens"], scale=0.1),
    _lora("saved-embeddings-tied", modules_to_save=["embed_tokens"], ensure_weight_tying=True, scale=0.1),
    _lora("embeddings", target_modules=["embed_tokens", "q_proj"]),
    _lora("head", target_modules=["lm_head", "v_proj"]),
    _lora("tokens", trainable_token_indices=[1, 4, 5, 70, 71]),
    _lora("tokens-named", trainable_token_indices={"embed_tokens": [4, 5, 72]}),
    _lora("bias-own", lora_bias=True),
    _lora("bias-all", base="biased", bias="all", separate=True),
    _lora("bias-only", base="biased", bias="lora_only", separate=True),
    _lora("bias-base", base="biased"),
    _lora("conv1d", base="conv1d", target_modules=["c_attn"], fan_in_fan_out=True),
    _lora("conv1d-saved", base="conv1d", target_modules=["c_proj"], fan_in_fan_out=True, modules_to_save=["ln_f"]),
    _lora("experts", base="experts", target_parameters=["mlp.experts.down_proj"]),
    _lora("experts-only", base="experts", target_modules=[], target_parameters=["mlp.experts.gate_up_proj"]),
    _lora("awakened", alora_invocation_tokens=[2, 274]),
    Kind("ia3", "IA3", {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}),
    Kind("ia3-attention", "IA3", {"target_modules": ["k_proj", "v_proj"], "feedforward_modules": []}, scale=0.6),
    Kind("adalora", "ADALORA", {"target_modules": ATTENTION, "total_step": 10, "init_r": 6, "target_r": 3}, scale=0.8),
    Kind("vera", "VERA", {"target_modules": ATTENTION, "r": 8}, scale=1.0),
    Kind("vera-projections-drawn", "VERA", {"target_modules": ATTENTION, "r": 8, "save_projection": False}, scale=1.0),
    Kind("oft", "OFT", {"target_modules": ATTENTION, "oft_block_size": 8, "r": 0}),
    Kind("oft-shared", "OFT", {"target_modules": ATTENTION, "oft_block_size": 0, "r": 4, "block_share": True}),
    Kind("boft", "BOFT", {"target_modules": ATTENTION, "boft_block_size": 8}),
    Kind("boft-factors", "BOFT", {"target_modules": ATTENTION, "boft_block_size": 4, "boft_n_butterfly_factor": 2}),
    Kind("loha", "LOHA", {"target_modules": ATTENTION, "r": 4}, scale=0.5),
    Kind("lokr", "LOKR", {"target_modules": ATTENTION, "r": 4}),
    Kind("lokr-both", "LOKR", {"target_modules": ATTENTION, "r": 2, "decompose_both": True}, scale=0.6),
    Kind("ln_tuning", "LN_TUNING"),
    Kind("ln_tuning-named", "LN_TUNING", {"target_modules": ["input_layernorm"]}, scale=0.5),
    Kind("prompt_tuning", "PROMPT_TUNING", {"num_virtual_tokens": 5}),
    Kind("prompt_tuning-one", "PROMPT_TUNING", {"num_virtual_tokens": 1}, scale=1.0),
    Kind("prompt_tuning-many", "PROMPT_TUNING", {"num_virtual_tokens": 40}),
    Kind("p_tuning", "P_TUNING", {"num_virtual_tokens": 6, "encoder_hidden_size": 32}),
    Kind("p_tuning-lstm", "P_TUNING", {"num_virtual_tokens": 6, "encoder_hidden_size": 32, "encoder_reparameterization_type": "LSTM"}),
    Kind("prefix_tuning", "PREFIX_TUNING", {"num_virtual_tokens": 5}),
    Kind("prefix_tuning-projected", "PREFIX_TUNING", {"num_virtual_tokens": 30, "prefix_projection": True, "encoder_hidden_size": 32}),
    Kind("prefix_tuning-conv1d", "PREFIX_TUNING", {"num_virtual_tokens": 5}, base="conv1d", scale=1.0),
    Kind("prompt_tuning-conv1d", "PROMPT_TUNING", {"num_virtual_tokens": 7}, base="conv1d"),
    Kind("cpt", "CPT", {"cpt_token_ids": [5, 6, 7], "cpt_mask": [1, 1, 1], "cpt_tokens_type_mask": [1, 2, 3]}),
    Kind("cartridge", "CARTRIDGE", {"num_virtual_tokens": 5}),
    Kind("adaption_prompt", "ADAPTION_PROMPT", {"adapter_len": 4, "adapter_layers": 3}, scale=2.0),
    Kind("trainable_tokens", "TRAINABLE_TOKENS", {"token_indices": [1, 4, 5, 70]}, scale=0.6),
    Kind("adamss", "ADAMSS", {"target_modules": ATTENTION}),
    Kind("beft", "BEFT", {"target_modules": ATTENTION}, scale=1.0),
    Kind("c3a", "C3A", {"target_modules": ATTENTION, "block_size": 32}, scale=2.0),
    Kind("deft", "DEFT", {"target_modules": ATTENTION}),
    Kind("delora", "DELORA", {"target_modules": ATTENTION}),
    Kind("fourierft", "FOURIERFT", {"target_modules": ATTENTION, "n_frequency": 50}),
    Kind("frod", "FROD", {"target_modules": ATTENTION}),
    Kind("glora", "GLORA", {"target_modules": ATTENTION}),
    Kind("gralora", "GRALORA", {"target_modules": ATTENTION}, scale=0.1),
    Kind("hira", "HIRA", {"target_modules": ATTENTION}, scale=1.0),
    Kind("hra", "HRA", {"target_modules": ATTENTION}, scale=1.0),
    Kind("lily", "LILY", {"target_modules": ATTENTION}),
    Kind("miss", "MISS", {"target_modules": ATTENTION}, scale=0.1),
    Kind("osf", "OSF", {"target_modules": ATTENTION}, scale=0.1),
    Kind("peanut", "PEANUT", {"target_modules": ATTENTION}),
    Kind("psoft", "PSOFT", {"target_modules": ATTENTION}, scale=0.1),
    Kind("pvera", "PVERA", {"target_modules": ATTENTION}, scale=1.0),
    Kind("randlora", "RANDLORA", {"target_modules": ATTENTION}, scale=0.02),
    Kind("road", "ROAD", {"target_modules": ATTENTION}),
    Kind("shira", "SHIRA", {"target_modules": ATTENTION}),
    Kind("supertuning", "SUPERTUNING", {"target_modules": ATTENTION}),
    Kind("tinylora", "TINYLORA", {"target_modules": ATTENTION}),
    Kind("unilora", "UNILORA", {"target_modules": ATTENTION}, scale=3.0),
    Kind("vblora", "VBLORA", {"target_modules": ATTENTION, "num_vectors": 16, "vector_length": 32}, scale=1.0),
    Kind("waveft", "WAVEFT", {"target_modules": ATTENTION}, scale=0.05),
]  # fmt: skip
