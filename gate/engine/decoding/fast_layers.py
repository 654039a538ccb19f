"""Linear layers without the detours, for the time in which answers are made.

On a CPU, where rows take one token at a time, float32 layers are computed by oneDNN, as torch's compiler has it, rather
than by the BLAS that torch takes by itself, which needs many rows to be fast. Plain LoRA adds its update into the
layer's own output, in one pass over memory: PEFT writes the update, its scaled copy and the sum each to new memory.
Layers whose arithmetic is anything but that are left alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Forward = Callable[..., torch.Tensor]

_MOST_ROWS = 64
"""With more rows both are about as fast."""
_ROWS_TOGETHER = 8
"""Rows are rounded up to a multiple of this: oneDNN writes a program for every number that it meets, and keeps it."""
_FEWEST_WEIGHTS = 2**16
"""A layer with fewer, such as most of LoRA's, gains nothing."""


@contextmanager
def fast_layers(model: Any) -> Iterator[None]:
    """Speed up a model's linear layers for the time of the context; the results differ by rounding at most.

    Args:
        model: In the state in which it answers, with or without an adapter.
    """
    from peft.tuners.lora.layer import Linear

    touched = []
    for module in model.modules():
        forward = None
        if type(module) is torch.nn.Linear:
            forward = _by_onednn(module)
        elif type(module) is Linear:
            forward = _fused(module)
        if forward is not None:
            module.forward = forward
            touched.append(module)
    try:
        yield
    finally:
        for module in touched:
            del module.forward  # the class's own is back


def _by_onednn(module: torch.nn.Linear) -> Forward | None:
    """The layer's forward pass by oneDNN; None where torch does that by itself, or oneDNN cannot."""
    weight, bias = module.weight, module.bias
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or type(weight) is not torch.nn.Parameter:
        return None
    if weight.numel() < _FEWEST_WEIGHTS or "forward" in module.__dict__:
        return None
    linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if linear is None or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    outputs = weight.shape[0]

    def forward(x: torch.Tensor) -> torch.Tensor:
        rows = x.numel() // x.shape[-1]
        if rows > _MOST_ROWS:
            return torch.nn.functional.linear(x, weight, bias)
        padded = torch.nn.functional.pad(x.reshape(rows, x.shape[-1]), (0, 0, 0, -rows % _ROWS_TOGETHER))
        result: torch.Tensor = linear(padded, weight, bias, "none", [], "")
        return result[:rows].view(*x.shape[:-1], outputs)

    return forward


def _fused(module: Any) -> Forward | None:
    """The layer's forward pass in fewer passes over memory; None where it is more than plain LoRA, or switched off."""
    active = [name for name in module.active_adapters if name in module.lora_A]
    base = module.base_layer
    if len(active) != 1 or module.disable_adapters or module.merged or type(base) is not torch.nn.Linear:
        return None
    name = active[0]
    down, up, scaling = module.lora_A[name], module.lora_B[name], module.scaling[name]
    plain = name not in module.lora_variant and down.bias is None and up.bias is None and not module.training
    same = {base.weight.dtype, down.weight.dtype, up.weight.dtype} == {base.weight.dtype}
    if not plain or not same:
        return None
    up_weight = up.weight.t()

    def forward(x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        result: torch.Tensor = base(x)
        low = down(x)
        result.view(-1, result.shape[-1]).addmm_(low.view(-1, low.shape[-1]), up_weight, alpha=scaling)
        return result

    return forward
