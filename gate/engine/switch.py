"""One set of weights, two arms: attach the adapter, and prove that switched off it is the base again.

For some adapters it is not (trained biases; PiSSA and OLoRA, which move part of the base into the adapter when
attached). The proof is by logits: those of the pristine base, taken before, against those of the "off" state.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused, BrokenRun

if TYPE_CHECKING:
    import torch

_PROBES_AT_MOST = 8
_RELATIVE_TOLERANCE = {"float32": 1e-5, "float64": 1e-9}
_HALF_TOLERANCE = 1e-3
_NAMED_AT_MOST = 3


def probe_logits(model: Any, prompts: Sequence[Sequence[int]]) -> "torch.Tensor":
    """Next-token logits after a few prompts, each run alone so that padding plays no part.

    Args:
        model: A causal language model.
        prompts: Token ids; at most the first 8 are used.

    Returns:
        Shape (probes, vocabulary), float32, on the CPU.

    Raises:
        BrokenRun: If a logit is not finite.
    """
    import torch

    rows = []
    with torch.inference_mode():
        for prompt in prompts[:_PROBES_AT_MOST]:
            ids = torch.tensor([prompt], device=model.device)
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            rows.append(logits[0, -1].float().cpu())
    probed = torch.stack(rows)
    if not bool(torch.isfinite(probed).all()):
        raise BrokenRun("the model's logits are not finite", fix="Try `base: {dtype: float32}`.")
    return probed


def attach(model: Any, files: AdapterFiles, name: str) -> Any:
    """Put an adapter on a model.

    Args:
        model: The loaded base, whose modules are wrapped in place, or what an earlier call gave back.
        files: The adapter. Every tensor must find its place, and every place its tensor.
        name: What it is called in the model.

    Returns:
        The PEFT model, this adapter switched on, in evaluation mode.

    Raises:
        AdapterRefused: If the adapter does not fit this base.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError

    adapter, tensor_names = files.path, files.tensor_names
    advice = "The adapter was trained on another base model, or its configuration was changed afterwards."
    try:
        with warnings.catch_warnings(action="ignore"):  # what PEFT only warns of is checked below, and refused
            if isinstance(model, PeftModel):
                attached = model
                attached.load_adapter(str(adapter), adapter_name=name)
                attached.set_adapter(name)
            else:
                attached = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as problem:
        reason = next((line.strip() for line in str(problem).splitlines() if "mismatch for" in line), None)
        text = reason or str(problem).splitlines()[0]
        raise AdapterRefused(f"{adapter}: does not fit the base model: {text:.300}", fix=advice) from None
    # Left to decide by itself, PEFT asks the hub whether the base's embeddings were resized.
    places = frozenset(get_peft_model_state_dict(attached, adapter_name=name, save_embedding_layers=False))
    for missing, what in (
        (tensor_names - places, "has no place in the base model"),
        (places - tensor_names, "is missing"),
    ):
        if missing:
            named = ", ".join(sorted(missing)[:_NAMED_AT_MOST])
            raise AdapterRefused(f"{adapter}: {len(missing)} tensors: {named:.300}: {what}", fix=advice)
    attached.eval()
    return attached


def is_same(before: "torch.Tensor", after: "torch.Tensor", dtype: str) -> bool:
    """Whether two sets of logits are those of the same weights, up to the rounding of the number format."""
    tolerance = _RELATIVE_TOLERANCE.get(dtype, _HALF_TOLERANCE)
    scale = max(1.0, float(before.abs().max()))
    return float((before - after).abs().max()) <= tolerance * scale
