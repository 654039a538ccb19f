"""Plain LoRA layers without the detours: the update is added into the layer's own output, in one pass over memory.

PEFT writes the update, its scaled copy and the sum each to new memory, which in wide layers costs as much as the
layer itself. Only layers whose arithmetic is exactly that of plain LoRA are touched, and only while answers are made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def fused_lora(model: Any) -> Iterator[None]:
    """Fuse the active adapter's plain LoRA layers for the time of the context.

    Args:
        model: A PEFT model in the state in which it answers, or any other model, which is left alone.
    """
    from peft.tuners.lora.layer import Linear

    touched = []
    for module in model.modules():
        if type(module) is Linear and (forward := _fused(module)) is not None:
            module.forward = forward
            touched.append(module)
    try:
        yield
    finally:
        for module in touched:
            del module.forward  # the class's own is back


def _fused(module: Any) -> Callable[..., torch.Tensor] | None:
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
    down_weight, up_weight = down.weight, up.weight.t()

    def forward(x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        result: torch.Tensor = base(x)
        low = torch.nn.functional.linear(x, down_weight)
        result.view(-1, result.shape[-1]).addmm_(low.view(-1, low.shape[-1]), up_weight, alpha=scaling)
        return result

    return forward
