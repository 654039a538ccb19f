"""A model made large without changing what it says: its hidden state and its MLP padded with what counts for nothing.

The new entries of the hidden state are always zero, because nothing writes to them: the new columns of the embedding
and the new rows of `o_proj` and `down_proj` are zero. What the new rows of `gate_proj` and `up_proj` compute meets
columns of zeros in `down_proj`. The mean square that a norm divides by is over more entries, which its weights and its
epsilon make up for. So the arithmetic is that of a large model, in matrices of a large model's shapes, and the answers
are those of the small one. An adapter is padded with zeros in the same places. Reads and writes safetensors with numpy;
needs no torch.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Weights = NDArray[np.float32]

_ROUND_TO = 64
"""Widths are multiples of this, as real models' are: no matrix kernel is put at a disadvantage."""
_MLP_RATIO = 4
"""The MLP's width in hidden widths: between those of Llama 3 (3.5) and Qwen 2.5 of half a billion (5.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """How wide a Llama is."""

    hidden: int
    mlp: int

    @property
    def config(self) -> dict[str, int]:
        """The two, as `config.json` calls them."""
        return {"hidden_size": self.hidden, "intermediate_size": self.mlp}


def widths_for(config: dict[str, int], parameters: int) -> Widths:
    """The widths that give a Llama about so many parameters, never less than it has.

    Args:
        config: The model's `config.json`.
        parameters: How many the widened model shall have.
    """
    layers, attention = config["num_hidden_layers"], config["num_attention_heads"] * config["head_dim"]
    # parameters = hidden (3 ratio hidden layers + 4 attention layers + vocabulary), solved for hidden
    square, linear = 3 * _MLP_RATIO * layers, 4 * attention * layers + config["vocab_size"]
    hidden = (sqrt(linear**2 + 4 * square * parameters) - linear) / (2 * square)
    rounded = max(config["hidden_size"], round(hidden / _ROUND_TO) * _ROUND_TO)
    return Widths(hidden=rounded, mlp=max(config["intermediate_size"], _MLP_RATIO * rounded))


def widen_model(source: Path, target: Path, widths: Widths) -> None:
    """Write a wide copy of a Llama with tied embeddings; rows that meet zeros are small random numbers, seeded."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    grown = widths.hidden / config["hidden_size"]

    def pad(name: str, value: Weights) -> Weights:
        if "norm" in name:
            return _pad(value / np.float32(sqrt(grown)), widths.hidden)
        if "mlp.gate_proj" in name or "mlp.up_proj" in name:
            extra = rng.standard_normal((widths.mlp - value.shape[0], widths.hidden), dtype=np.float32)
            return np.concatenate([_pad(value, value.shape[0], widths.hidden), 0.02 * extra])
        if "mlp.down_proj" in name:
            return _pad(value, widths.hidden, widths.mlp)
        if "o_proj" in name:
            return _pad(value, widths.hidden, value.shape[1])
        return _pad(value, value.shape[0], widths.hidden)  # the embedding, and what reads the hidden state

    shutil.copytree(source, target, dirs_exist_ok=True)
    _rewrite(source / "model.safetensors", target / "model.safetensors", pad)
    changed = config | widths.config | {"rms_norm_eps": config["rms_norm_eps"] / grown}
    (target / "config.json").write_text(json.dumps(changed, indent=2), encoding="utf-8")


def widen_adapter(source: Path, target: Path, widths: Widths, *, alpha: float) -> None:
    """Write a copy of a LoRA adapter that fits the widened model, its effect scaled by `alpha` (`lora_alpha`)."""

    def pad(name: str, value: Weights) -> Weights:
        rows, columns = value.shape
        match name.split(".")[-3:-1]:
            case ["gate_proj" | "up_proj", "lora_B"]:
                return _pad(value, widths.mlp, columns)
            case ["down_proj" | "o_proj", "lora_B"]:
                return _pad(value, widths.hidden, columns)
            case ["down_proj", "lora_A"]:
                return _pad(value, rows, widths.mlp)
            case [_, "lora_A"] if "o_proj" not in name:
                return _pad(value, rows, widths.hidden)
        return value

    shutil.copytree(source, target, dirs_exist_ok=True)
    _rewrite(source / "adapter_model.safetensors", target / "adapter_model.safetensors", pad)
    config = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
    (target / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": alpha}, indent=2), encoding="utf-8")


def _pad(value: Weights, *shape: int) -> Weights:
    return np.pad(value, [(0, wanted - have) for wanted, have in zip(shape, value.shape, strict=True)])


def _rewrite(source: Path, target: Path, pad: Callable[[str, Weights], Weights]) -> None:
    padded = {name: np.ascontiguousarray(pad(name, value)) for name, value in load_file(source).items()}
    save_file(padded, target, metadata={"format": "pt"})
