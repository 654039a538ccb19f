"""Which weights answer for which arm: one base in memory for all arms where that is exact, else one for each.

Sharing is exact when the base comes back with every adapter switched off, and when attaching a second adapter
leaves the first one's answers alone. Both are seen by logits on a few prompts, taken from the pristine base before
anything was attached. Trained biases, PiSSA and OLoRA do not pass: they move part of the base into the adapter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gate.domain import ArmName
from gate.engine.session import AdapterFiles
from gate.engine.switch import attach, is_same, probe_logits
from gate.errors import AdapterRefused

SEPARATE_WARNING = (
    "Switched off, this adapter does not give back the base (trained biases, PiSSA and OLoRA do this), so the base was "
    "loaded separately."
)
"""What a reader must know when the arms do not share their weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model in memory, and which of its adapters is on."""

    model: Any
    adapter: ArmName | None
    """None: the bare base, with every adapter switched off."""
    is_peft: bool

    @contextmanager
    def switched(self) -> Iterator[Any]:
        """Hold the model in this arm's state."""
        if not self.is_peft:
            yield self.model
        elif self.adapter is None:
            with self.model.disable_adapter():
                yield self.model
        else:
            if self.model.active_adapter != self.adapter:
                self.model.set_adapter(self.adapter)
            yield self.model


def line_up(
    load: Callable[[], Any], adapters: Mapping[ArmName, AdapterFiles], *, probes: Sequence[Sequence[int]], dtype: str
) -> tuple[dict[ArmName, Contestant], bool]:
    """Load the arms.

    Args:
        load: Loads the pristine base; called once if the arms can share it.
        adapters: The arms that have an adapter.
        probes: Token ids of a few prompts.
        dtype: Number format of the weights, which says how much rounding is none.

    Returns:
        The arms, `base` among them, and whether they share one base.

    Raises:
        AdapterRefused: If an adapter does not fit the base, or changes nothing.
    """
    model = load()
    pristine = probe_logits(model, probes)
    shared = _share(model, adapters, probes=probes, pristine=pristine, dtype=dtype)
    if shared is not None:
        return shared, True
    del model
    arms: dict[ArmName, Contestant] = {"base": Contestant(model=load(), adapter=None, is_peft=False)}
    for name, files in adapters.items():
        alone = attach(load(), files, name)
        _refuse_idle(files, probe_logits(alone, probes), pristine)
        arms[name] = Contestant(model=alone, adapter=name, is_peft=True)
    return arms, False


def _share(
    model: Any,
    adapters: Mapping[ArmName, AdapterFiles],
    *,
    probes: Sequence[Sequence[int]],
    pristine: Any,
    dtype: str,
) -> dict[ArmName, Contestant] | None:
    """Put all adapters on one base; None if that changes the base or an adapter that was there before."""
    attached = model
    before: dict[ArmName, Any] = {}
    for name, files in adapters.items():
        try:
            attached = attach(attached, files, name)
        except AdapterRefused:
            if not before:
                raise
            return None  # alone it may fit; if not, loading it alone says so
        before[name] = probe_logits(attached, probes)
        _refuse_idle(files, before[name], pristine)
    arms: dict[ArmName, Contestant] = {"base": Contestant(model=attached, adapter=None, is_peft=True)}
    arms |= {name: Contestant(model=attached, adapter=name, is_peft=True) for name in adapters}
    expected = {"base": pristine} | before
    for name, arm in arms.items():
        with arm.switched() as switched:
            if not is_same(expected[name], probe_logits(switched, probes), dtype):
                return None
    return arms


def _refuse_idle(files: AdapterFiles, logits: Any, pristine: Any) -> None:
    if bool((logits == pristine).all()):
        raise AdapterRefused(
            f"{files.path}: the adapter changes nothing: the logits are those of the base",
            fix="Was it saved before training, or with a scale (lora_alpha) of zero?",
        )
