"""From a request to arms that may answer: base, adapters and fine-tunes loaded in the same way and tried.

Must not know how answers are made; it only says what may be done with each arm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gate.engine.base_model import BaseFolder
from gate.engine.classifier import CHANCE_WARNING, Labels, label_logits, load_classifier
from gate.engine.contestants import LineUp, Trial, line_up
from gate.engine.fine_tune import FineTune, inspect_fine_tune
from gate.engine.loading import load_model
from gate.engine.padding import first_logits
from gate.engine.session import Prompt, Request, Settings
from gate.errors import AdapterRefused

_PROBE_TOKENS = 16
"""Whether weights are the same shows after a few tokens as well as after many, and sooner."""
_PLAIN = ("float32", "bfloat16", "float16")
"""Number formats in which a fine-tune may be loaded like its base; any other is a quantised base's."""


def base_loader(base: BaseFolder, settings: Settings, device: str, *, labels: Labels | None) -> Callable[[], Any]:
    """What loads the base, with a head for labels if the arms are classifiers."""

    def load() -> Any:
        if labels is None:
            return load_model(base, settings.dtype, device, quantization=settings.quantization)
        return load_classifier(base, labels, settings.dtype, device=device, quantization=settings.quantization)

    return load


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known once the base is there and the prompts are made."""

    base: BaseFolder
    load: Callable[[], Any]
    """Loads the base."""
    tokenizer: Any
    """The base's."""
    prompts: Sequence[Prompt]
    """What the base is asked."""
    pad_id: int
    """The token that pads generated answers."""
    labels: Labels | None
    """What classifiers can answer; None: the arms answer in words."""
    dtype: str
    """The base's number format."""
    device: str

    def logits(self, model: Any, prompts: Sequence[Sequence[int]]) -> Any:
        """What a model in an arm's state says of a batch, padded as it will be: shape (prompts, tokens or labels)."""
        if self.labels is not None:
            return label_logits(model, prompts)
        return first_logits(model, prompts, self.pad_id)

    @property
    def probes(self) -> list[tuple[int, ...]]:
        """Ends of prompts to try the arms with, one of each suite first."""
        first_of_suite = {prompt.suite: prompt for prompt in reversed(self.prompts)}
        ends = [one.token_ids[-_PROBE_TOKENS:] for one in (*first_of_suite.values(), *self.prompts)]
        return list(dict.fromkeys(ends))

    def fine_tune(self, folder: BaseFolder, settings: Settings) -> FineTune:
        """A model of its own, loaded in the base's number format."""

        def load() -> Any:
            dtype = self.dtype if self.dtype in _PLAIN else settings.dtype
            return load_model(folder, dtype, self.device, quantization=settings.quantization)

        ids = [prompt.token_ids for prompt in self.prompts]
        return inspect_fine_tune(folder, self.base, tokenizer=self.tokenizer, prompts=ids, load=load)


def open_arms(request: Request, opening: Opening) -> LineUp:
    """Load and try the arms.

    Raises:
        AdapterRefused: If an adapter or a fine-tune does not fit the base, or changes nothing.
        ConfigError: If a model cannot be loaded.
    """
    labels = opening.labels
    if labels is not None and request.models:
        raise AdapterRefused(
            "one of candidate and incumbent is a classifier (SEQ_CLS) and the other a model of its own",
            fix="Compare adapters of the same task type.",
        )
    found = line_up(
        Trial(load=opening.load, probes=opening.probes, dtype=opening.dtype, logits=opening.logits),
        request.adapters,
        {name: opening.fine_tune(folder, request.settings) for name, folder in request.models.items()},
    )
    if labels is None or labels.own_head:
        return found
    return replace(found, warnings=(*found.warnings, CHANCE_WARNING))
