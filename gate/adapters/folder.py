"""An adapter in a folder: find it, read what it says of itself, and refuse what is broken or not a LoRA adapter.

Looks at files only; whether the adapter fits the model is seen by the engine when it is attached.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gate import wording
from gate.adapters.safetensors_file import read_tensors
from gate.errors import AdapterRefused

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
_PICKLE_FILE = "adapter_model.bin"

_KNOWN_KEYS = frozenset({
    "alpha_pattern", "base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights",
    "layers_pattern", "layers_to_transform", "lora_alpha", "lora_bias", "lora_dropout", "modules_to_save",
    "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "target_modules", "task_type",
    "use_dora", "use_qalora", "use_rslora",
})  # fmt: skip
"""Keys of a LoRA configuration that are understood; any other must be unset, or it could change what is loaded."""

_HARMLESS_DEFAULTS = {"megatron_core": "megatron.core"}
"""What PEFT writes without being asked; it has no effect unless `megatron_config` is set."""

_ADVICE_KEYS = ("base_model_name_or_path", "revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFolder:
    """An adapter that may be loaded."""

    path: Path
    base_name: str | None
    """The base model that it was trained on, as recorded by the training run."""
    tensor_names: frozenset[str]
    description: str
    digest: str
    """SHA-256 over configuration and weights. The name of the base is left out: it changes no answer."""


def read_adapter(path: Path) -> AdapterFolder:
    """Inspect an adapter.

    Raises:
        AdapterRefused: With what is wrong and what to do about it.
    """
    if not path.is_dir():
        raise AdapterRefused(f"{path}: no such folder", fix="`candidate.adapter` names the folder of a PEFT adapter.")
    config = _read_config(path / CONFIG_FILE)
    weights = path / WEIGHTS_FILE
    if not weights.is_file():
        if (path / _PICKLE_FILE).is_file():
            raise AdapterRefused(
                f"{path / _PICKLE_FILE}: pickle files are never loaded, they can run code",
                fix="Save the adapter as safetensors: model.save_pretrained(folder, safe_serialization=True).",
            )
        raise AdapterRefused(f"{weights}: no such file", fix="Save the adapter with PEFT's save_pretrained.")
    tensors = read_tensors(weights)
    bad = [tensor.name for tensor in tensors if not tensor.finite]
    if bad:
        raise AdapterRefused(
            f"{weights}: {wording.count(len(bad), 'tensor')} with NaN or infinity, the first is {bad[0]!r:.120}",
            fix="The training diverged; use an earlier checkpoint or a lower learning rate.",
        )
    if all(tensor.zero for tensor in tensors if "lora_A" not in tensor.name):
        raise AdapterRefused(
            f"{weights}: every update is zero, so this adapter is the base model", fix="Was it saved before training?"
        )
    size = weights.stat().st_size
    return AdapterFolder(
        path=path,
        base_name=_text(config, "base_model_name_or_path"),
        tensor_names=frozenset(tensor.name for tensor in tensors),
        description=f"LoRA r={config.get('r')}, alpha={config.get('lora_alpha')}, {size / 1e6:,.1f} MB",
        digest=_digest(config, weights),
    )


def name_warning(recorded: str | None, configured: str) -> str | None:
    """Say so when the adapter was trained on a base of another name than the configured one.

    Only the last part of a path counts: the same model lies in different places on different machines.
    """
    if recorded is None or Path(recorded).name == Path(configured).name:
        return None
    return (
        f"The adapter was trained on {recorded!r}, the configured base is {configured!r}. "
        "The shapes fit, but make sure that they are the same weights."
    )


def _read_config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise AdapterRefused(
            f"{path}: no such file", fix="`candidate.adapter` names the folder that PEFT's save_pretrained wrote."
        ) from None
    except OSError as problem:
        raise AdapterRefused(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except (ValueError, RecursionError):
        raise AdapterRefused(f"{path}: not valid JSON") from None
    if not isinstance(config, dict):
        raise AdapterRefused(f"{path}: not an adapter configuration")
    if config.get("peft_type") != "LORA":
        raise AdapterRefused(f"{path}: the adapter type is {config.get('peft_type')!r:.40}; only 'LORA' is supported")
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        raise AdapterRefused(f"{path}: the task type is {config['task_type']!r:.40}; only 'CAUSAL_LM' is supported")
    modules = config.get("target_modules")
    plain = isinstance(modules, list) and all(isinstance(name, str) for name in modules)
    if not plain and modules != "all-linear":
        raise AdapterRefused(f"{path}: `target_modules` must be a list of module names; a pattern is not accepted")
    for key, value in config.items():
        harmless = value in (None, False, {}, []) or _HARMLESS_DEFAULTS.get(key) == value
        if key not in _KNOWN_KEYS and not harmless:
            raise AdapterRefused(
                f"{path}: the key {key!r:.60} is set and not known for LoRA, so what it would load is unknown",
                fix="Remove it if it has no effect, or train without it.",
            )
    return config


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _text(config: Mapping[str, object], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value else None


def _digest(config: Mapping[str, object], weights: Path) -> str:
    meaning = {key: value for key, value in config.items() if key not in _ADVICE_KEYS}
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    with weights.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
