"""What the tensors of an adapter say without the model: finite, not an update of nothing, of the configured rank.

Whether they fit the model is seen by the engine. Must not know where the file came from.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gate import wording
from gate.adapters.checklist import Checklist, refusal
from gate.adapters.peft_config import PeftConfig
from gate.adapters.safetensors_file import Tensor

_LORA_FACTORS = ("lora_A", "lora_B", "lora_E", "lora_embedding_A", "lora_embedding_B")
_FACTORS: Mapping[str, tuple[str, ...]] = {
    "LORA": _LORA_FACTORS,
    "ADALORA": _LORA_FACTORS,
    "VERA": ("vera_lambda_b", "vera_lambda_d"),
    "PVERA": ("pvera_lambda_b", "pvera_lambda_d"),
    "LOHA": ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
    "LOKR": ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"),
}
"""Type of adapter -> the tensors whose product is the update of a module: if one is zero, so is the update."""
_CONSTANT: Mapping[str, tuple[str, ...]] = {
    "ADALORA": ("ranknum",),
    "VERA": ("vera_A", "vera_B"),
    "PVERA": ("pvera_A", "pvera_B"),
    "BOFT": ("boft_s",),
}
"""Tensors that are never zero, and change nothing by themselves."""

_RANK_AXES: Mapping[str, int] = {
    "lora_A": 0, "lora_B": 1, "lora_embedding_A": 0, "lora_embedding_B": 1, "vera_lambda_d": 0,
    "hada_w1_a": 1, "hada_w1_b": 0, "hada_w2_a": 1, "hada_w2_b": 0,
}  # fmt: skip
"""Tensor -> which of its dimensions is the rank."""
_CHECKED_RANKS = frozenset({"LORA", "VERA", "LOHA"})


def check_tensors(path: Path, tensors: Sequence[Tensor], config: PeftConfig, *, checks: Checklist) -> None:
    """Look at all tensors of an adapter.

    Args:
        path: The file, for messages.
        tensors: All that it holds.
        config: The configuration beside it.
        checks: Where failures go that may be passed over.

    Raises:
        AdapterRefused: With what is wrong.
    """
    if not tensors:
        raise refusal("P02", f"{path}: holds no tensor", fix="Was it saved before training?")
    bad = [tensor.name for tensor in tensors if not tensor.finite]
    if bad:
        raise refusal(
            "P03",
            f"{path}: {wording.count(len(bad), 'tensor')} with NaN or infinity, the first is {bad[0]!r:.120}",
            fix="The training diverged; use an earlier checkpoint or a lower learning rate.",
        )
    _check_ranks(path, tensors, config)
    _check_prompt(path, tensors, config)
    _check_updates(path, tensors, config.peft_type, checks=checks)


def _factor(name: str, kinds: Sequence[str]) -> tuple[str, str] | None:
    """The module and the factor that a tensor's name stands for; None for anything else, such as a bias."""
    parts = name.split(".")
    for index, part in enumerate(parts):
        if part in kinds:
            return (".".join(parts[:index]), part) if parts[index + 1 :] in ([], ["weight"]) else None
    return None


def _check_updates(path: Path, tensors: Sequence[Tensor], kind: str, *, checks: Checklist) -> None:
    """Refuse an adapter all of whose updates are zero, and speak of those among others that are."""
    kinds, constant = _FACTORS.get(kind, ()), _CONSTANT.get(kind, ())
    updates: dict[str, bool] = defaultdict(bool)
    other_changes = False
    for tensor in tensors:
        found = _factor(tensor.name, kinds)
        if found is not None:
            updates[found[0]] |= tensor.zero
        elif not set(tensor.name.split(".")) & set(constant):
            other_changes |= not tensor.zero
    zero = sum(updates.values())
    if zero == len(updates) and not other_changes:
        checks.fail(
            "P03",
            f"{path}: every update is zero, so this adapter is the base model",
            fix="Was it saved before training?",
        )
    elif zero:
        checks.warn("P03", f"{path}: the updates of {zero:,} of {wording.count(len(updates), 'module')} are zero")


def _check_ranks(path: Path, tensors: Sequence[Tensor], config: PeftConfig) -> None:
    """Compare the shapes with the rank, and the factors of each module with each other."""
    rank = config.integer("r")
    if config.peft_type not in _CHECKED_RANKS or rank is None:
        return
    ranks = {rank, *(int(one) for one in config.numbers("rank_pattern").values())}
    seen: dict[str, int] = {}
    for tensor in tensors:
        found = _factor(tensor.name, _FACTORS[config.peft_type])
        axis = _RANK_AXES.get(found[1]) if found is not None else None
        if found is None or axis is None:
            continue
        length = tensor.shape[axis] if axis < len(tensor.shape) else 0
        # One adapter for all experts of a layer stacks their ranks.
        stacked = bool(config.settings.get("target_parameters")) and any(one and not length % one for one in ranks)
        if length not in ranks and not (stacked and length):
            raise refusal(
                "P05",
                f"{path}: {tensor.name!r:.160} has the shape {list(tensor.shape)}, which is not of rank {rank}",
                fix="The weights and the configuration are of two different training runs.",
            )
        group = f"{found[0]} {found[1][:7]}"  # the two halves of LoHa have their own pairs
        if seen.setdefault(group, length) != length:
            raise refusal(
                "P05",
                f"{path}: {tensor.name!r:.160} is of rank {length}, its counterpart of rank {seen[group]}",
                fix="The file was put together from two adapters; save it again.",
            )


def _check_prompt(path: Path, tensors: Sequence[Tensor], config: PeftConfig) -> None:
    """Compare learned prompt vectors with their configured number."""
    count = config.integer("num_virtual_tokens")
    prompt = next((tensor for tensor in tensors if tensor.name == "prompt_embeddings"), None)
    if count is None or prompt is None or config.peft_type == "CARTRIDGE":
        return
    rows = prompt.shape[0] if prompt.shape else 0
    submodules = config.integer("num_transformer_submodules") or 1
    if rows not in {count, count * submodules}:
        raise refusal(
            "P05",
            f"{path}: 'prompt_embeddings' has {rows:,} rows, the configuration says {count:,} virtual tokens",
            fix="The weights and the configuration are of two different training runs.",
        )
