"""Adapters that sort prompts instead of answering them (`SEQ_CLS`, routers): the answer is the likeliest label.

The base gets a head of as many labels as the adapter was trained on. Must not know what the labels are worth.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.domain import ArmName
from gate.engine.base_model import BaseFolder
from gate.engine.lengths import Batching, rows_together
from gate.engine.loading import load_with
from gate.engine.quantization import Quantization
from gate.engine.session import AdapterFiles, Prompt
from gate.errors import AdapterRefused

if TYPE_CHECKING:
    import torch

CHANCE_WARNING = (
    "The base has no classification head, so the base arm answers with an untrained one, drawn from a fixed seed: it "
    "is at chance level, and a gain over it only says that the adapter learnt something."
)
"""What a reader must know when the base cannot classify."""

_HEAD = r"(^|\.)(score|classifier)(\.\w+)?\.(weight|bias)$"
_OUTPUT = re.compile(r"(^|\.)(score|classifier)(\.out_proj)?\.weight$")
_SEED = 0
_NO_PAD = -1
"""As padding token: no token of any prompt, so every token of a prompt counts."""
_DEFAULT_LABELS = 2
"""Of a configuration that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What a classifier can answer."""

    names: tuple[str, ...]
    """By index."""
    own_head: bool
    """Whether the base's weights have a head for them."""


def labels_of(base: BaseFolder, adapters: Mapping[ArmName, AdapterFiles]) -> Labels | None:
    """What the arms can answer if they are classifiers; None if they answer in words.

    The names come from `id2label` in the `config.json` beside the adapter, or else the base's; else the indices are
    the names.

    Raises:
        AdapterRefused: If only one of two arms is a classifier, or they know different numbers of labels.
    """
    routers = {name: files for name, files in adapters.items() if files.task_type == "SEQ_CLS"}
    if not routers:
        return None
    if len(routers) < len(adapters):
        raise AdapterRefused(
            "one of candidate and incumbent is a classifier (SEQ_CLS) and the other a language model (CAUSAL_LM)",
            fix="Compare adapters of the same task type.",
        )
    config = _read(base.path)
    own_names, own = _names(config), _labels_of_base(config)
    counts = {name: _head_size(files) or own for name, files in routers.items()}
    for name, count in counts.items():
        if count is None:
            raise AdapterRefused(
                f"{routers[name].path}: a SEQ_CLS adapter without its head, on a base that has none",
                fix="Save the adapter with PEFT's save_pretrained, which keeps the head (`modules_to_save`).",
            )
    known = {count for count in counts.values() if count is not None}
    if len(known) > 1:
        told = " and ".join(f"the {name} {count}" for name, count in counts.items())
        raise AdapterRefused(f"the classifiers know different numbers of labels: {told}")
    count = known.pop()
    beside = [_names(_read(files.path)) for files in routers.values()]
    names = next((one for one in (*reversed(beside), own_names) if one is not None and len(one) == count), None)
    return Labels(names=names or tuple(str(index) for index in range(count)), own_head=own == count)


def load_classifier(
    base: BaseFolder, labels: Labels, dtype: str, *, device: str, quantization: Quantization = "none"
) -> Any:
    """Load the base with a head; one that has to be drawn is the same each time.

    Raises:
        ConfigError: If it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        return load_with(
            AutoModelForSequenceClassification,
            base,
            dtype,
            device=device,
            quantization=quantization,
            num_labels=len(labels.names),
            drawn=None if labels.own_head else _HEAD,
            ignore_mismatched_sizes=not labels.own_head,
        )


def classify(model: Any, batch: Sequence[Prompt], labels: Labels, *, batching: Batching) -> list[str]:
    """Every prompt's likeliest label, in the order of the batch.

    Args:
        model: A classifier in the state of its arm.
        batch: Prompts of any lengths.
        labels: Their names.
        batching: Which prompts may be put together.
    """
    answers: dict[int, str] = {}
    for rows in rows_together(batch, batching):
        logits = label_logits(model, [batch[row].token_ids for row in rows])
        for row, index in zip(rows, logits.argmax(-1).tolist(), strict=True):
            answers[row] = labels.names[index]
    return [answers[row] for row in range(len(batch))]


def label_logits(model: Any, prompts: Sequence[Sequence[int]]) -> "torch.Tensor":
    """What a classifier says of a batch, shape (prompts, labels), on the CPU.

    transformers reads the last token that is not the padding token of the model's configuration, a single prompt's
    as well; with none configured it reads the last token, and refuses more than one prompt. So the padding is put
    behind the prompts, where it moves no position, and is a token that makes no difference to that rule.
    """
    import torch

    config = model.config.get_text_config()
    configured = config.pad_token_id
    pad = configured if configured is not None else _unused(prompts, config.vocab_size)
    if pad is None:
        return torch.cat([label_logits(model, [prompt]) for prompt in prompts])
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), max(pad, 0))
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
        mask[row, : len(prompt)] = 1
    config.pad_token_id = pad
    try:
        with torch.inference_mode():
            logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device)).logits
    finally:
        config.pad_token_id = configured
    found: torch.Tensor = logits.float().cpu()
    return found


def _unused(prompts: Sequence[Sequence[int]], vocabulary: int) -> int | None:
    """A token that may pad where none is configured; None: there is none, so nothing may be padded."""
    if len({len(prompt) for prompt in prompts}) == 1:
        return _NO_PAD
    used = {token for prompt in prompts for token in prompt}
    return next((token for token in range(vocabulary) if token not in used), None)


def _labels_of_base(config: Mapping[str, Any]) -> int | None:
    """How many labels the base's own head has; None: it has none."""
    if not str((config.get("architectures") or [""])[0]).endswith("ForSequenceClassification"):
        return None
    listed = config.get("id2label")
    return len(listed) if isinstance(listed, dict) else _DEFAULT_LABELS


def _head_size(files: AdapterFiles) -> int | None:
    from safetensors import safe_open

    with safe_open(files.path / "adapter_model.safetensors", framework="pt") as tensors:
        for name in sorted(tensors.keys()):
            if _OUTPUT.search(name):
                return int(tensors.get_slice(name).get_shape()[0])
    return None


def _names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    listed = config.get("id2label")
    if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
        return None
    wanted = [str(index) for index in range(len(listed))]
    return tuple(listed[index] for index in wanted) if set(wanted) == set(listed) else None


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
