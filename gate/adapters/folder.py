"""An adapter in a folder: find it, read what it says of itself, and refuse what is broken, unsafe or changes nothing.

Looks at files only; whether the adapter fits the model is seen by the engine when it is attached.
"""

import hashlib
import json
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from gate.adapters.checklist import Checklist, refusal
from gate.adapters.locate import PICKLE_FILE, WEIGHTS_FILE, locate
from gate.adapters.peft_config import CONFIG_FILE, PeftConfig, TaskType, read_config
from gate.adapters.safetensors_file import read_tensors
from gate.adapters.weights import check_tensors
from gate.domain import Check
from gate.errors import AdapterRefused

_ADVICE_KEYS = ("base_model_name_or_path", "revision")
_LOOKED_AT = ("P01", "P02", "P03", "P04", "P05", "P06", "P32")
_NAMES = {"LORA": "LoRA", "ADALORA": "AdaLoRA", "VERA": "VeRA", "LOHA": "LoHa", "LOKR": "LoKr"}
_DVC = ".dvc"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFolder:
    """An adapter that may be loaded."""

    path: Path
    """Where its two files are: the named folder, or one below it."""
    base_name: str | None
    """The base model that it was trained on, as recorded by the training run."""
    peft_type: str
    """As PEFT names it, such as `LORA`."""
    task_type: TaskType
    tensor_names: frozenset[str]
    description: str
    digest: str
    """SHA-256 over configuration and weights. The name of the base is left out: it changes no answer."""
    checks: tuple[Check, ...]
    """What was looked at, by id."""
    note: str | None
    """Which of several folders was taken; None: there was no choice."""


def read_adapter(path: Path, *, allow: Set[str] = frozenset(), base: str | None = None) -> AdapterFolder:
    """Inspect an adapter.

    Args:
        path: Its folder, or one that holds it in a sub-folder or in checkpoints.
        allow: Ids of checks whose failure is passed over where that leaves something to judge.
        base: The configured base model; None: the recorded name is compared with nothing.

    Raises:
        AdapterRefused: With what is wrong, the id of the failed check, and what to do about it.
    """
    _refuse_absent(path)
    within, note = locate(str(path), _names(path, Path.is_file), _names(path, Path.is_dir))
    folder, checks = path / within, Checklist(allow)
    refuse_irregular(folder)
    _refuse_stub(folder)
    config = read_config(folder / CONFIG_FILE, checks)
    weights = folder / WEIGHTS_FILE
    _refuse_pickle(folder)
    tensors = read_tensors(weights)
    check_tensors(weights, tensors, config, checks=checks)
    base_name = config.text("base_model_name_or_path")
    renamed = name_warning(base_name, base) if base is not None else None
    if renamed is not None:
        checks.warn("P07", renamed)
    return AdapterFolder(
        path=folder,
        base_name=base_name,
        peft_type=config.peft_type,
        task_type=config.task_type,
        tensor_names=frozenset(tensor.name for tensor in tensors),
        description=_describe(config, weights.stat().st_size),
        digest=_digest(config, weights),
        checks=checks.passed(*_LOOKED_AT, *(("P07",) if base is not None else ())),
        note=note,
    )


def refuse_irregular(folder: Path) -> None:
    """Refuse a folder with pipes, sockets or devices in it: whoever opens one may wait forever.

    Raises:
        AdapterRefused: If there is one.
    """
    odd = next(
        (one for one in sorted(folder.iterdir()) if not one.is_dir() and one.exists() and not one.is_file()), None
    )
    if odd is not None:
        raise refusal("P32", f"{str(odd)!r:.300}: neither a file nor a folder", fix="Remove it, or copy the real file.")


def name_warning(recorded: str | None, configured: str) -> str | None:
    """Say so when the adapter was trained on a base of another name than the configured one.

    Only the last part of a path counts: the same model lies in different places on different machines.
    """
    if recorded is None or Path(recorded).name == Path(configured).name:
        return None
    return (
        f"The adapter was trained on {recorded!r:.200}, the configured base is {configured!r}. "
        "The shapes fit, but make sure that they are the same weights."
    )


def _refuse_absent(path: Path) -> None:
    if path.is_dir():
        return
    if path.with_name(path.name + _DVC).is_file():
        raise refusal("P01", f"{path}: only its {_DVC} file is here, not the folder", fix=f"Run `dvc pull {path}`.")
    raise refusal(
        "P02",
        f"{path}: no such folder",
        fix="Name the folder of a PEFT adapter; for a repository on the hub write its `revision` as well.",
    )


def _names(path: Path, kind: Callable[[Path], bool]) -> Callable[[str], Sequence[str]]:
    def names(below: str) -> Sequence[str]:
        try:
            return sorted(one.name for one in (path / below).iterdir() if kind(one))
        except OSError as problem:
            raise refusal("P02", f"{path / below}: cannot be read: {problem.strerror or problem}") from None

    return names


def _refuse_stub(folder: Path) -> None:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        stub = folder / (name + _DVC)
        if stub.is_file() and not (folder / name).is_file():
            raise refusal("P01", f"{stub}: stands in for a file that is not here", fix=f"Run `dvc pull {stub}`.")


def _refuse_pickle(folder: Path) -> None:
    if (folder / WEIGHTS_FILE).is_file():
        return
    if (folder / PICKLE_FILE).is_file():
        raise refusal(
            "P32",
            f"{folder / PICKLE_FILE}: pickle files are never loaded, they can run code",
            fix="Save the adapter as safetensors: model.save_pretrained(folder, safe_serialization=True).",
        )
    raise refusal("P02", f"{folder / WEIGHTS_FILE}: no such file", fix="Save the adapter with PEFT's save_pretrained.")


def _describe(config: PeftConfig, size_bytes: int) -> str:
    facts = [_NAMES.get(config.peft_type, config.peft_type)]
    for key, name in (("r", "r"), ("lora_alpha", "alpha"), ("alpha", "alpha"), ("num_virtual_tokens", "tokens")):
        value = config.number(key)
        if value is not None:
            facts.append(f"{name}={value:g}")
    return f"{facts[0]}{' ' if facts[1:] else ''}{', '.join(facts[1:])}, {size_bytes / 1e6:,.1f} MB"


def _digest(config: PeftConfig, weights: Path) -> str:
    meaning = {key: value for key, value in config.settings.items() if key not in _ADVICE_KEYS}
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    try:
        with weights.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as problem:
        raise AdapterRefused(f"{weights}: cannot be read: {problem.strerror or problem}") from None
    return digest.hexdigest()
