"""Loading what transformers loads: device, tokenizer, weights, and the tokens that end an answer."""

import platform
import re
from pathlib import Path
from typing import Any

from gate import wording
from gate.engine.base_model import BaseFolder
from gate.engine.quantization import Quantization, loading_options
from gate.errors import BrokenRun, ConfigError

_SMALL_MODEL_PARAMETERS = 20_000_000


def silence() -> None:
    """Keep transformers' and the hub's progress bars and advice out of the gate's output."""
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()


def pick_device(wanted: str) -> str:
    """Resolve `auto`, and refuse a device that is not there: never a silent run on the CPU."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = wanted.partition(":")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[kind] or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise BrokenRun(
            f"engine.device: {wanted} is not there", fix="Check the driver and torch's build, or use `device: auto`."
        )
    return wanted


def device_name(device: str) -> str:
    """What a report calls the device."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def load_tokenizer(path: Path, *, key: str = "base.model") -> Any:
    """Load a tokenizer; code in its folder is never run.

    Args:
        path: The model's folder.
        key: What names it in the configuration, for messages.

    Raises:
        ConfigError: If it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ConfigError(f"{key}: the tokenizer in {path} cannot be loaded: {first_line(problem)}") from None


def load_model(base: BaseFolder, dtype: str, device: str, *, quantization: Quantization = "none") -> Any:
    """Load a model's weights in evaluation mode; code and pickles in its folder are never touched.

    Raises:
        ConfigError: If they cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    return load_with(AutoModelForCausalLM, base, dtype, device=device, quantization=quantization)


def load_with(
    auto_class: Any,
    base: BaseFolder,
    dtype: str,
    *,
    device: str,
    quantization: Quantization = "none",
    drawn: str | None = None,
    **options: Any,
) -> Any:
    """Load a model as one of transformers' auto classes, in evaluation mode.

    Args:
        auto_class: For example `AutoModelForCausalLM`.
        base: The model's folder.
        dtype: Number format of the weights; `auto`: as stored.
        device: Where it shall run.
        quantization: To what its weights are quantised; a folder that is quantised already is loaded as it is.
        drawn: A pattern of names of weights that may be missing, and are drawn at random then.
        options: Anything else for `from_pretrained`.

    Raises:
        ConfigError: If it cannot be loaded, or is not whole: transformers itself would draw what is missing.
    """
    import torch
    from safetensors import SafetensorError

    quantised = loading_options(base.path, base.name, quantization)
    if quantised is not None:
        # Quantised weights cannot be moved afterwards, so they are put where they belong at once.
        options |= quantised | {"device_map": {"": device}}
    try:
        model, found = auto_class.from_pretrained(
            base.path,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except torch.OutOfMemoryError:
        raise  # nothing is wrong with the files, and with other models out of memory there may be room
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as no:
        raise ConfigError(f"{base.name} cannot be loaded: {first_line(no)}") from None
    missing = sorted(name for name in found["missing_keys"] if drawn is None or not re.search(drawn, name))
    if missing:
        raise ConfigError(
            f"{base.name} cannot be loaded: {wording.count(len(missing), 'weight')} missing, such as {missing[0]:.120}",
            fix="The folder is incomplete, or holds another kind of model than is asked for here.",
        )
    if quantised is None:
        model.to(device)
    model.eval()
    return model


def limit_threads(model: Any, device: str) -> None:
    """Compute a small model on a CPU with one thread.

    Its matrices take microseconds, after each of which all threads wait for each other. On two idle cores a second
    thread made the quickstart's answers 1.6 times faster; with one of the cores busy, as on a shared runner, it made
    them 3 times slower.
    """
    import torch

    if device == "cpu" and model.num_parameters() < _SMALL_MODEL_PARAMETERS:
        torch.set_num_threads(1)


def stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every token that ends an answer, as the tokenizer, the model and its generation config say; the first pads."""
    found: dict[int, None] = {}
    for source in (tokenizer.eos_token_id, model.generation_config.eos_token_id, model.config.eos_token_id):
        for token in source if isinstance(source, list) else [source]:
            if isinstance(token, int):
                found[token] = None
    if not found:
        raise ConfigError("base.model: neither tokenizer nor model name an end-of-sequence token")
    return tuple(found)


def surroundings(device: str) -> dict[str, str]:
    """What answers depend on besides weights, prompts and settings: versions and device."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        **versions("transformers", "peft", "tokenizers"),
        "device": device_name(device),
    }


def versions(*packages: str) -> dict[str, str]:
    """Versions of installed packages, by name."""
    from importlib.metadata import version

    return {package: version(package) for package in packages}


def first_line(problem: Exception) -> str:
    """What an exception of a library says, in one line."""
    text = str(problem).strip()
    return text.splitlines()[0][:300] if text else type(problem).__name__
