"""Models that cannot share their weights: side by side where memory allows it, else one after the other.

Arms answer in turn, so a model that had to make room is loaded again only a few times in a run. Must not know what
the models are for.
"""

import gc
from collections.abc import Callable
from typing import Any

_ROOM = 1.3
"""Room for the weights, and for the caches of the batches."""


class Shelf:
    """Loaded models, by name."""

    def __init__(self, has_room: Callable[[int], bool] | None = None) -> None:
        """Make an empty shelf.

        Args:
            has_room: Whether another model of that many bytes can be loaded; default: asks the device.
        """
        self._has_room = has_room
        self._loads: dict[str, Callable[[], Any]] = {}
        self._loaded: dict[str, Any] = {}

    def put(self, name: str, load: Callable[[], Any], *, model: Any = None) -> None:
        """Make a model known.

        Args:
            name: By which it is taken.
            load: Loads it, anew each time.
            model: It, if it is loaded already.
        """
        self._loads[name] = load
        if model is not None:
            self._loaded[name] = model

    def take(self, name: str) -> Any:
        """The model, loaded if it is not there; others are dropped if there is no room for it beside them."""
        import torch

        if name not in self._loaded:
            if not self._room_beside():
                self._drop_all()
            try:
                self._loaded[name] = self._loads[name]()
            except torch.OutOfMemoryError:
                if not self._loaded:
                    raise
                self._drop_all()
                self._loaded[name] = self._loads[name]()
        return self._loaded[name]

    @property
    def loaded(self) -> frozenset[str]:
        """Names of the models that are in memory."""
        return frozenset(self._loaded)

    def drop(self, name: str) -> None:
        """Let go of a model; it is loaded again when it is taken."""
        self._loaded.pop(name, None)
        free_memory()

    def clear(self) -> None:
        """Forget all models."""
        self._loads.clear()
        self._drop_all()

    def _room_beside(self) -> bool:
        if not self._loaded:
            return True
        some = max(self._loaded.values(), key=lambda model: model.get_memory_footprint())
        needed_bytes = int(_ROOM * some.get_memory_footprint())
        if self._has_room is not None:
            return self._has_room(needed_bytes)
        return needed_bytes <= free_bytes(some.device)

    def _drop_all(self) -> None:
        self._loaded.clear()
        free_memory()


def free_memory() -> None:
    """Give back what dropped models held; PEFT's wrappers refer to themselves, so that takes a collection."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def free_bytes(device: Any) -> int:
    """Memory of a device that nothing uses."""
    import psutil
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
