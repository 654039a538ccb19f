"""Which prompts an arm may answer in one batch: known by type, and seen by comparing.

Must not know what is answered; it decides how, and a wrong "no" costs time, a wrong "yes" costs answers.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gate.engine.lengths import Batching

if TYPE_CHECKING:
    import torch

_RELATIVE_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
_HALF_TOLERANCE = 5e-2
"""Padding changes the shapes and so the rounding, but a model that is confused by padding is off by whole logits."""


def pad_left(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Token ids and attention mask, each of shape (prompts, longest), the prompts flush right.

    The answer must follow its prompt directly. The mask is explicit because the pad token is often the end-of-turn
    token, which a guessed mask would hide inside the prompt as well.
    """
    import torch

    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad_id)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids, mask


def puts_virtual_tokens(config: Any) -> bool:
    """Whether an adapter of this PEFT configuration answers with tokens of its own before the prompt.

    PEFT puts them before the padding, so a padded row reads virtual tokens, padding, prompt: other positions than
    alone.
    """
    return bool(config.is_prompt_learning)


def drives_like_its_base(config: Any) -> bool:
    """Whether a model with an adapter of this PEFT configuration can be fed token by token like the base itself.

    Not so with virtual tokens, which only `generate` puts into the cache; with adaption prompts, which replace the
    attention; and with adapters that switch themselves on at a certain token of the prompt, for which a single later
    token does not tell where that was.
    """
    return not (
        config.is_prompt_learning or config.is_adaption_prompt or getattr(config, "alora_invocation_tokens", None)
    )


def set_generation(model: Any, how: Any) -> None:
    """Make a generation configuration the model's own, in every layer of wrapping.

    transformers merges the model's own, which comes from its folder's generation_config.json, into the one that
    is passed to `generate`: a repetition penalty there would bend "greedy" answers. PEFT copies the outer model's to
    the inner one for some types, and to another module for others.
    """
    model.generation_config = how
    inner = getattr(model, "get_base_model", None)
    if inner is not None:
        inner().generation_config = how


def safe_batching(
    logits: Callable[[Sequence[Sequence[int]]], "torch.Tensor"],
    prompts: Sequence[Sequence[int]],
    *,
    dtype: str,
    padding: bool,
) -> Batching:
    """Compare what an arm says of a prompt alone with what it says beside another one.

    Args:
        logits: What the arm says of a batch, one row a prompt.
        prompts: Token ids; the shortest and the longest are used.
        dtype: Number format of the weights.
        padding: Whether padding may be safe; False: it is known not to be.
    """
    short: Sequence[int] = min(prompts, key=len)
    long: Sequence[int] = max(prompts, key=len)
    if len(short) == len(long):
        short = long[: max(1, len(long) // 2)]

    def is_disturbed(*together: Sequence[int]) -> bool:
        rows = zip(together, logits(together), strict=True)
        return any(not is_close(logits([one])[0], row, dtype) for one, row in rows)

    if padding and not is_disturbed(short, long):
        return "any"
    # Some types mix what stands in a batch, whatever its lengths: a prompt's own tokens backwards are another prompt.
    return "alone" if is_disturbed(long, long[::-1]) else "same_length"


def first_logits(model: Any, prompts: Sequence[Sequence[int]], pad_id: int) -> "torch.Tensor":
    """The logits of the first tokens of the answers to a padded batch, shape (prompts, vocabulary), on the CPU."""
    import torch
    from transformers import GenerationConfig

    # Through `generate`, because it makes the positions that a bare forward pass would not.
    how = GenerationConfig(
        do_sample=False, max_new_tokens=1, pad_token_id=pad_id, output_logits=True, return_dict_in_generate=True
    )
    set_generation(model, how)
    ids, mask = pad_left(prompts, pad_id)
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=how
        )
    logits: torch.Tensor = output.logits[0].float().cpu()
    return logits


def is_close(alone: "torch.Tensor", together: "torch.Tensor", dtype: str) -> bool:
    """Whether two rows of logits differ by no more than another shape of the batch explains."""
    tolerance = _RELATIVE_TOLERANCE.get(dtype, _HALF_TOLERANCE)
    return float((alone - together).abs().max()) <= tolerance * max(1.0, float(alone.abs().max()))
