"""Which weights answer for which arm: one base in memory for all arms where that is exact, else one for each.

Sharing is exact when the base comes back with every adapter switched off, and when attaching a second adapter
leaves the first one's answers alone. Both are seen by logits on a few prompts, taken from the pristine base before
anything was attached. Trained biases, PiSSA and OLoRA do not pass: they move part of the base into the adapter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gate.domain import ArmName
from gate.engine.fine_tune import FineTune
from gate.engine.lengths import Batching
from gate.engine.padding import drives_like_its_base, puts_virtual_tokens, safe_batching
from gate.engine.session import AdapterFiles
from gate.engine.shelf import Shelf
from gate.engine.switch import attach, is_same, probe_adapter, probe_logits, quiet_peft
from gate.errors import AdapterRefused

SEPARATE_WARNING = (
    "Switched off, this adapter does not give back the base (trained biases, PiSSA and OLoRA do this), so the base was "
    "loaded separately."
)
"""What a reader must know when the base cannot share its weights with an adapter."""

APART_WARNING = "The adapters of candidate and incumbent cannot be held on one base, so each got one of its own."
"""What a reader must know when the adapters alone could share the base, and together cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model, and which of its adapters is on."""

    take: Callable[[], Any]
    """Gives the model, which may have to be loaded for it."""
    adapter: ArmName | None
    """None: no adapter, or every adapter switched off."""
    is_peft: bool
    batching: Batching = "any"
    """Which prompts may share a batch; `rows_together` splits one accordingly."""
    cache_is_plain: bool = True
    """False: the model may only be driven through `generate`, not token by token with a cache of one's own."""
    tokenizer: Any = None
    """What its answers are decoded with; None: the base's."""
    stop_ids: tuple[int, ...] | None = None
    """The tokens that end its answers; None: the base's."""

    @contextmanager
    def switched(self) -> Iterator[Any]:
        """Hold the model in this arm's state, and keep PEFT's advice to those who train out of the output."""
        model = self.take()
        with quiet_peft():
            if not self.is_peft:
                yield model
            elif self.adapter is None and puts_virtual_tokens(model.active_peft_config):
                yield model.base_model  # nothing in it was wrapped; PEFT's own switch fails on classifiers
            elif self.adapter is None:
                with model.disable_adapter():
                    yield model
            else:
                if model.active_adapter != self.adapter:
                    model.set_adapter(self.adapter, inference_mode=True)
                yield model


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How arms are loaded and tried."""

    load: Callable[[], Any]
    """Loads the pristine base."""
    probes: Sequence[Sequence[int]]
    """Token ids of a few prompts."""
    dtype: str
    """Number format of the weights, which says how much rounding is none."""
    logits: Callable[[Any, Sequence[Sequence[int]]], Any]
    """What a model says of a batch of prompts, padded as for an answer; one row a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUp:
    """The arms that were found to be what they are called."""

    contestants: dict[ArmName, Contestant]
    """`base` among them."""
    warnings: tuple[str, ...]
    shelf: Shelf
    """Holds their models; clear it to free the memory."""


def line_up(
    trial: Trial,
    adapters: Mapping[ArmName, AdapterFiles],
    models: Mapping[ArmName, FineTune],
    *,
    shelf: Shelf | None = None,
) -> LineUp:
    """Load the arms and try them.

    Args:
        trial: How. The base is loaded once if the adapters can share it.
        adapters: The arms that have an adapter.
        models: The arms that are models of their own.
        shelf: Where the models are put; default: as many at a time as there is memory for.

    Raises:
        AdapterRefused: If an adapter or a fine-tune does not fit the base, or changes nothing.
    """
    shelf = shelf or Shelf()
    shelf.put("base", trial.load)
    pristine = probe_logits(shelf.take("base"), trial.probes)
    shared = _share(trial, adapters, shelf, pristine=pristine)
    warnings: list[str] = []
    arms: dict[ArmName, Contestant] = {"base": _contestant(shelf, "base", adapter=None, is_peft=bool(shared))}
    for name, files in adapters.items():
        if name in shared:
            arms[name] = _contestant(shelf, "base", adapter=name, is_peft=True)
        else:
            warnings.append(_try_apart(trial, files, shelf, name=name, pristine=pristine))
            arms[name] = _contestant(shelf, name, adapter=name, is_peft=True)
    for name, tuned in models.items():
        shelf.put(name, tuned.load)
        _refuse_idle(tuned.folder.name, probe_logits(shelf.take(name), trial.probes), pristine, what="fine-tune")
        warnings += tuned.warnings
        arms[name] = _contestant(shelf, name, adapter=None, is_peft=False, tuned=tuned)
    return LineUp(
        contestants={name: _settled(trial, arm) for name, arm in arms.items()},
        warnings=tuple(dict.fromkeys(warnings)),
        shelf=shelf,
    )


def _share(trial: Trial, adapters: Mapping[ArmName, AdapterFiles], shelf: Shelf, *, pristine: Any) -> list[ArmName]:
    """Put as many adapters as possible on the shelf's `base`, the others on models under their own names."""
    shared: list[ArmName] = []
    expected: dict[ArmName, Any] = {"base": pristine}
    for name, files in adapters.items():
        alone = _builder(trial, {name: files})
        try:
            tried = attach(shelf.take("base"), files, name)
            logits = probe_adapter(tried, files, trial.probes)
        except AdapterRefused:
            if not shared:
                raise
            tried = None  # alone it may fit; if not, loading it alone says so
        else:
            _refuse_idle(str(files.path), logits, pristine, what="adapter")
        if tried is not None and _gives_back(trial, tried, expected | {name: logits}):
            shared.append(name)
            expected[name] = logits
            held: dict[ArmName, AdapterFiles] = {one: adapters[one] for one in shared}
            shelf.put("base", _builder(trial, held), model=tried)
        else:
            # What was tried is spoilt as a base; alone on it, the adapter is what it should be.
            shelf.put(name, alone, model=None if shared else tried)
            tried = None
            shelf.drop("base")
    return shared


def _builder(trial: Trial, adapters: Mapping[ArmName, AdapterFiles]) -> Callable[[], Any]:
    """What loads the base with some adapters on it."""

    def build() -> Any:
        model = trial.load()
        for name, files in adapters.items():
            model = attach(model, files, name)
        return model

    return build


def _gives_back(trial: Trial, model: Any, expected: Mapping[ArmName, Any]) -> bool:
    """Whether every state of a model with adapters has the logits that it had before the last one came."""
    for name, logits in expected.items():
        arm = Contestant(take=lambda: model, adapter=None if name == "base" else name, is_peft=True)
        with arm.switched() as switched:
            if not is_same(logits, probe_logits(switched, trial.probes), trial.dtype):
                return False
    return True


def _try_apart(trial: Trial, files: AdapterFiles, shelf: Shelf, *, name: ArmName, pristine: Any) -> str:
    """Try an adapter on a base of its own; says why it has one."""
    model = shelf.take(name)
    _refuse_idle(str(files.path), probe_adapter(model, files, trial.probes), pristine, what="adapter")
    return APART_WARNING if _gives_back(trial, model, {"base": pristine}) else SEPARATE_WARNING


def _contestant(
    shelf: Shelf, model: str, *, adapter: ArmName | None, is_peft: bool, tuned: FineTune | None = None
) -> Contestant:
    return Contestant(
        take=lambda: shelf.take(model),
        adapter=adapter,
        is_peft=is_peft,
        tokenizer=None if tuned is None else tuned.tokenizer,
        stop_ids=None if tuned is None else tuned.stop_ids,
    )


def _settled(trial: Trial, arm: Contestant) -> Contestant:
    """The arm, knowing how it may be driven."""
    with arm.switched() as model:
        config = model.peft_config[arm.adapter] if arm.adapter is not None else None
        virtual = config is not None and puts_virtual_tokens(config)
        batching = safe_batching(
            lambda prompts: trial.logits(model, prompts), trial.probes, dtype=trial.dtype, padding=not virtual
        )
        # What mixes the rows of a batch may mix the tokens of a row as well: a draft is then no longer one by one.
        plain = batching != "alone" and (config is None or drives_like_its_base(config))
        return replace(arm, batching=batching, cache_is_plain=plain)


def _refuse_idle(name: str, logits: Any, pristine: Any, *, what: str) -> None:
    if logits.shape == pristine.shape and bool((logits == pristine).all()):
        raise AdapterRefused(
            f"{name}: the {what} changes nothing: the logits are those of the base",
            fix="Was it saved before training, or with a scale (lora_alpha) of zero?"
            if what == "adapter"
            else "Was it saved before training, or is it a copy of the base?",
        )
