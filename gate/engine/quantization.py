"""Weights of four or eight bits: what a model's files say of it, the library it needs, and `quantization: nf4`.

A quantised model answers otherwise than the same model in 16 bits, so every arm is quantised alike. Loads no weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gate.errors import ConfigError

Quantization = Literal["none", "nf4"]

EXTRA = "pip install 'finetune-gate[quantization]'"
"""What brings the library behind `nf4`."""

_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "gptq": ("gptqmodel", "optimum"),
    "awq": ("gptqmodel", "accelerate"),
    "aqlm": ("aqlm",),
    "auto-round": ("auto_round",),
    "compressed-tensors": ("compressed_tensors",),
    "eetq": ("eetq",),
    "hqq": ("hqq",),
    "quanto": ("optimum.quanto",),
    "quark": ("quark",),
    "torchao": ("torchao",),
    "vptq": ("vptq",),
}
"""The method that a configuration names -> the modules with which transformers reads such weights."""


def stored_method(folder: Path) -> str | None:
    """How the weights in a model's folder are quantised, as its `config.json` says; None: they are not."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    section = config.get("quantization_config") if isinstance(config, dict) else None
    if not isinstance(section, dict):
        return None
    method = section.get("quant_method")
    if isinstance(method, str) and method:
        return method.lower()
    # Before it named methods, transformers wrote no more than the switches of bitsandbytes.
    return "bitsandbytes" if section.get("load_in_4bit") or section.get("load_in_8bit") else "unknown"


def loading_options(folder: Path, name: str, quantization: Quantization) -> dict[str, Any] | None:
    """What transformers must be told to load a model quantised; None for a plain one.

    Args:
        folder: The model's folder.
        name: The model as configured.
        quantization: What the configuration asks of every arm.

    Raises:
        ConfigError: If a library is missing, or a model that is quantised already is to be quantised again.
    """
    method = stored_method(folder)
    if method is not None and quantization != "none":
        raise ConfigError(
            f"base.quantization: {name} is quantised already ({method:.40}), it cannot be quantised to {quantization}",
            fix="Remove `quantization`: the model is loaded as it is.",
        )
    if method is None and quantization == "none":
        return None
    _refuse_without_library(name, method)
    return {"quantization_config": _four_bits()} if method is None else {}


def _refuse_without_library(name: str, method: str | None) -> None:
    missing = next((one for one in _LIBRARIES.get(method or "bitsandbytes", ()) if not _is_there(one)), None)
    if missing is None:
        return
    library = missing.replace("_", "-").replace(".", "-")
    needed_for = f"{name} is quantised with {method:.40}" if method else f"base.quantization: {name} as nf4"
    raise ConfigError(
        f"{needed_for} and needs the library {library}, which is not installed",
        fix=f"Install it: {EXTRA if library == 'bitsandbytes' else f'pip install {library}'}",
    )


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _four_bits() -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    # What QLoRA trains on: normal-float values, their scales quantised as well, products in bfloat16.
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
