"""A model made large without changing what it says: its MLP padded with columns that count for nothing.

`down_proj` gets columns of zeros, so whatever the new rows of `gate_proj` and `up_proj` compute is multiplied by
zero: the arithmetic is that of a large model, the answers are those of the small one. An adapter on these layers is
padded with zeros in the same places. Reads and writes safetensors with numpy; needs no torch.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Weights = NDArray[np.float32]

_ROUND_TO = 64
"""Widths are multiples of this, as real models' are: no matrix kernel is put at a disadvantage."""


def width_for(config: dict[str, int], parameters: int) -> int:
    """The width of the MLP that gives a Llama about so many parameters, never less than it has.

    Args:
        config: The model's `config.json`.
        parameters: How many the widened model shall have.
    """
    per_column = 3 * config["hidden_size"] * config["num_hidden_layers"]
    others = config["vocab_size"] * config["hidden_size"] + 4 * config["hidden_size"] ** 2 * config["num_hidden_layers"]
    wanted = round((parameters - others) / per_column / _ROUND_TO) * _ROUND_TO
    return max(config["intermediate_size"], wanted)


def widen_model(source: Path, target: Path, width: int) -> None:
    """Write a copy of a Llama whose MLP has `width` columns; the new rows are small random numbers, seeded."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)

    def pad(name: str, value: Weights) -> Weights:
        if "mlp.gate_proj" in name or "mlp.up_proj" in name:
            extra = rng.standard_normal((width - value.shape[0], value.shape[1]), dtype=np.float32)
            return np.concatenate([value, 0.02 * extra])
        return _more_columns(value, width) if "mlp.down_proj" in name else value

    shutil.copytree(source, target, dirs_exist_ok=True)
    _rewrite(source / "model.safetensors", target / "model.safetensors", pad)
    (target / "config.json").write_text(json.dumps(config | {"intermediate_size": width}, indent=2), encoding="utf-8")


def widen_adapter(source: Path, target: Path, width: int, *, alpha: float) -> None:
    """Write a copy of a LoRA adapter that fits the widened model, its effect scaled by `alpha` (`lora_alpha`)."""

    def pad(name: str, value: Weights) -> Weights:
        if name.endswith(("gate_proj.lora_B.weight", "up_proj.lora_B.weight")):
            return np.pad(value, ((0, width - value.shape[0]), (0, 0)))
        return _more_columns(value, width) if name.endswith("down_proj.lora_A.weight") else value

    shutil.copytree(source, target, dirs_exist_ok=True)
    _rewrite(source / "adapter_model.safetensors", target / "adapter_model.safetensors", pad)
    config = json.loads((source / "adapter_config.json").read_text(encoding="utf-8"))
    (target / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": alpha}, indent=2), encoding="utf-8")


def _more_columns(value: Weights, width: int) -> Weights:
    return np.pad(value, ((0, 0), (0, width - value.shape[1])))


def _rewrite(source: Path, target: Path, pad: Callable[[str, Weights], Weights]) -> None:
    padded = {name: np.ascontiguousarray(pad(name, value)) for name, value in load_file(source).items()}
    save_file(padded, target, metadata={"format": "pt"})
