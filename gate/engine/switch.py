"""One set of weights, several arms: attach an adapter of any type, and see by logits what it does.

Every tensor of the file must find its place in the model, and every place its tensor: PEFT itself is silent about the
one and only warns of the other. Must not know how an arm answers, nor which arms share a model.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gate import wording
from gate.engine.loading import first_line
from gate.engine.session import AdapterFiles
from gate.errors import AdapterRefused, BrokenRun

if TYPE_CHECKING:
    import torch

_PROBES_AT_MOST = 8
_RELATIVE_TOLERANCE = {"float32": 1e-5, "float64": 1e-9}
_HALF_TOLERANCE = 1e-3
_NAMED_AT_MOST = 3
_SEED = 0
_ADVICE = "The adapter was trained on another base model, or its configuration was changed afterwards."


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Let PEFT warn of nothing: what matters of it is checked here, and refused or told in our own words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"peft\.")
        yield


def probe_logits(model: Any, prompts: Sequence[Sequence[int]]) -> "torch.Tensor":
    """What the model says after a few prompts. Only equally long ones share a batch: padding plays no part.

    Args:
        model: A causal language model or a classifier. Virtual tokens that an adapter puts before the prompt do no
            harm: what is read stands at the end.
        prompts: Token ids; at most the first 8 are used.

    Returns:
        Shape (probes, vocabulary) or (probes, labels), float32, on the CPU.

    Raises:
        BrokenRun: If a logit is not finite.
    """
    import torch

    asked = sorted(prompts[:_PROBES_AT_MOST], key=len)
    rows = []
    with torch.inference_mode():
        # A classifier finds the end of each row by its pad token, and refuses batches where there is none.
        together = len if model.config.pad_token_id is not None else tuple
        for _, alike in groupby(asked, key=together):
            ids = torch.tensor([list(prompt) for prompt in alike], device=model.device)
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
            rows.append((logits if logits.dim() == 2 else logits[:, -1]).float().cpu())
    probed = torch.cat(rows)
    if not bool(torch.isfinite(probed).all()):
        raise BrokenRun("the model's logits are not finite", fix="Try `base: {dtype: float32}`.")
    return probed


def probe_adapter(model: Any, files: AdapterFiles, prompts: Sequence[Sequence[int]]) -> "torch.Tensor":
    """`probe_logits` of a model whose adapter was never run before.

    Raises:
        AdapterRefused: If it does not fit the base, makes its logits infinite, or wants more than a prompt: for some
            types, a task's number.
    """
    import torch

    try:
        with quiet_peft():
            return probe_logits(model, prompts)
    except torch.OutOfMemoryError:
        raise
    except BrokenRun:
        raise AdapterRefused(
            f"{files.path}: with it, the model's logits are not finite (P03)",
            fix="Its weights are too large for the base's number format; did the training diverge?",
        ) from None
    except RuntimeError as problem:  # virtual tokens of another base have other shapes, and are loaded all the same
        raise AdapterRefused(f"{files.path}: does not fit the base model: {first_line(problem)}", fix=_ADVICE) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError) as problem:
        raise AdapterRefused(
            f"{files.path}: this {files.peft_type:.40} adapter loads but does not run on a prompt alone: "
            f"{first_line(problem)}",
            fix="Types that need more than the prompt, such as the number of a task, cannot be judged.",
        ) from None


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
    import torch
    from peft import PeftModel
    from safetensors import SafetensorError

    path, device = str(files.path), str(model.device)
    try:
        # What PEFT only warns of is checked below, and refused. Some types draw numbers as they are attached.
        with warnings.catch_warnings(action="ignore"), torch.random.fork_rng():
            torch.manual_seed(_SEED)
            if isinstance(model, PeftModel):
                attached = model
                attached.load_adapter(path, adapter_name=name, torch_device=device)
                attached.set_adapter(name, inference_mode=True)
            else:
                attached = PeftModel.from_pretrained(model, path, adapter_name=name, torch_device=device)
    except torch.OutOfMemoryError:
        raise
    except (
        RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError, IndexError, AssertionError,
        ZeroDivisionError, OSError, SafetensorError,
    ) as problem:  # fmt: skip
        reason = next((line.strip() for line in str(problem).splitlines() if "mismatch for" in line), None)
        text = reason or first_line(problem)
        if isinstance(problem, KeyError):  # PEFT looks up a tensor that a wrapped module must have
            text = f"{text.strip(chr(39))} is missing"
        raise AdapterRefused(f"{files.path}: does not fit the base model: {text:.300}", fix=_ADVICE) from None
    _refuse_misplaced(attached, files, name)
    attached.eval()
    return attached


def _refuse_misplaced(attached: Any, files: AdapterFiles, name: str) -> None:
    from peft import get_peft_model_state_dict

    # Left to decide by itself, PEFT asks the hub whether the base's embeddings were resized.
    with warnings.catch_warnings(action="ignore"):
        needed = frozenset(get_peft_model_state_dict(attached, adapter_name=name, save_embedding_layers=False))
        # Beside an adapter of the embeddings PEFT saves the embeddings themselves, and loads them if they are there.
        welcome = needed | frozenset(get_peft_model_state_dict(attached, adapter_name=name, save_embedding_layers=True))
    for wrong, what in (
        (files.tensor_names - welcome, "has no place in the base model"),
        (needed - files.tensor_names, "is missing"),
    ):
        if wrong:
            named = ", ".join(sorted(wrong)[:_NAMED_AT_MOST])
            count = wording.count(len(wrong), "tensor")
            raise AdapterRefused(f"{files.path}: {count}: {named:.300}: {what}", fix=_ADVICE)


def is_same(before: "torch.Tensor", after: "torch.Tensor", dtype: str) -> bool:
    """Whether two sets of logits are those of the same weights, up to the rounding of the number format."""
    tolerance = _RELATIVE_TOLERANCE.get(dtype, _HALF_TOLERANCE)
    scale = max(1.0, float(before.abs().max()))
    return float((before - after).abs().max()) <= tolerance * scale
