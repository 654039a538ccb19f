"""Run a module as `python -m` does, and count the forward passes of the model in it.

    python benchmarks/observed.py REPORT.json MODULE ARGUMENT ...

The count is taken by hooks on the decoder (the model without its head): a few microseconds a pass, and none of the
module's own code is touched. Wall time and memory are measured without it all the same. The report is written when
the process ends: per arm the passes, the positions computed in them (padding included), and the seconds from the
start of its first pass to the end of its last, the passes of the other arm and what follows them left out.
"""

import atexit
import importlib.abc
import importlib.machinery
import json
import runpy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

_WATCHED = "transformers.modeling_utils"


@dataclass(slots=True)
class Passes:
    """What was seen of one arm."""

    count: int = 0
    positions: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Observer:
    """Hooks for the decoder, and what they have seen."""

    arms: dict[str, Passes] = field(default_factory=dict)
    prompts: list[list[int]] = field(default_factory=list)
    """Token ids of every row of a pass over whole prompts."""
    _open: tuple[str, float] | None = None
    """The arm of the last pass and when it began."""
    _ended: float = 0.0
    _adapted: list[Any] = field(default_factory=list)

    def before(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called as a pass begins. What happens until the next one (choosing tokens, stop checks) is this arm's."""
        if module.base_model is not module:
            return  # the head around the decoder: its pass is the decoder's
        ids = kwargs.get("input_ids", args[0] if args else None)
        if ids is None:
            ids = kwargs["inputs_embeds"][..., 0]
        now = time.perf_counter()
        self._close(now)
        arm = self._arm(module)
        self._open = (arm, now)
        seen = self.arms.setdefault(arm, Passes())
        seen.count += 1
        seen.positions += ids.numel()
        mask = kwargs.get("attention_mask")
        if mask is not None and getattr(mask, "shape", None) == ids.shape and ids.shape[-1] > 1:
            rows = zip(ids.tolist(), mask.tolist(), strict=True)
            self.prompts += [[token for token, kept in zip(*row, strict=True) if kept] for row in rows]

    def after(self, module: Any, *_: object) -> None:
        """Called as a pass ends."""
        if module.base_model is module:
            self._ended = time.perf_counter()

    def write(self, path: Path) -> None:
        """Write the report."""
        self._close(self._ended)
        arms = {
            arm: {"passes": seen.count, "positions": seen.positions, "seconds": seen.seconds}
            for arm, seen in self.arms.items()
        }
        path.write_text(json.dumps({"arms": arms, "prompts": self.prompts}), encoding="utf-8")

    def _close(self, now: float) -> None:
        if self._open is not None:
            arm, began = self._open
            self.arms[arm].seconds += now - began
            self._open = None

    def _arm(self, decoder: Any) -> str:
        """Whose weights the pass is computed with, as far as PEFT's layers say."""
        peft = sys.modules.get("peft.tuners.tuners_utils")
        if peft is not None and not self._adapted:
            self._adapted = [module for module in decoder.modules() if isinstance(module, peft.BaseTunerLayer)]
        is_on = any(layer.merged or not layer.disable_adapters for layer in self._adapted[:1])
        return "candidate" if is_on else "base"


class _Watch(importlib.abc.MetaPathFinder):
    """Hooks every model that is made, from the moment the module that defines models was imported; imports nothing."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _WATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute, observer = spec.loader.exec_module, self._observer

        def exec_and_hook(module: ModuleType) -> None:
            execute(module)
            _hook(module.PreTrainedModel, observer)

        spec.loader.exec_module = exec_and_hook  # type: ignore[method-assign]
        return spec


def _hook(model_class: Any, observer: Observer) -> None:
    plain = model_class.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - takes its place
        plain(self, *args, **kwargs)
        self.register_forward_pre_hook(observer.before, with_kwargs=True)
        self.register_forward_hook(observer.after)

    model_class.__init__ = __init__


def main(arguments: list[str]) -> None:
    """Run the module and write the report."""
    report, module, *rest = arguments
    observer = Observer()
    sys.meta_path.insert(0, _Watch(observer))
    atexit.register(observer.write, Path(report).absolute())
    sys.path[0] = str(Path.cwd())  # as `python -m` has it
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
