"""`adapter_config.json`: read it, and refuse what is not understood or could make PEFT load anything else.

Knows the file's contents and nothing of weights, folders or models.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from gate.adapters.checklist import Checklist, refusal
from gate.adapters.peft_types import NEVER, SETTINGS, UNSET
from gate.adapters.settings import is_number
from gate.errors import AdapterRefused

CONFIG_FILE = "adapter_config.json"

TaskType = Literal["CAUSAL_LM", "SEQ_CLS"]

_LARGEST_FILE_BYTES = 16 * 1024 * 1024
_LARGEST_USUAL_SCALE = 64
_LFS_POINTER = b"version https://git-lfs"
_HARMLESS: tuple[object, ...] = (False, {}, [], "")
_FRAMEWORK = re.compile(r"transformers(\.[A-Za-z0-9_]+)*")
_CLASS_NAME = re.compile(r"[A-Za-z0-9_]{1,200}")
_TASKS: Mapping[object, TaskType] = {None: "CAUSAL_LM", "CAUSAL_LM": "CAUSAL_LM", "SEQ_CLS": "SEQ_CLS"}
_RELEASE = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")

_SCALED: Mapping[str, str] = {
    "LORA": "lora_alpha", "LOHA": "alpha", "LOKR": "alpha", "GRALORA": "alpha", "DEFT": "alpha", "PSOFT": "psoft_alpha",
}  # fmt: skip
"""Types whose update is multiplied by a setting divided by the rank."""
_FACTORS: Mapping[str, str] = {
    "RANDLORA": "randlora_alpha", "DELORA": "delora_lambda", "FOURIERFT": "scaling", "WAVEFT": "scaling",
    "LILY": "scaling", "PEANUT": "scaling",
}  # fmt: skip
"""Types with another factor, whose usual size differs from type to type; zero still means that nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeftConfig:
    """A configuration in which everything is understood."""

    peft_type: str
    task_type: TaskType
    settings: Mapping[str, object]
    """What was set, as the file has it."""

    def integer(self, key: str) -> int | None:
        """A whole number; None if it is not set."""
        value = self.settings.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, key: str) -> float | None:
        """A number; None if it is not set."""
        value = self.settings.get(key)
        return float(value) if is_number(value) else None

    def numbers(self, key: str) -> Mapping[str, float]:
        """Module names and their numbers; empty if it is not set."""
        value = self.settings.get(key)
        return {name: one for name, one in value.items() if is_number(one)} if isinstance(value, dict) else {}

    def text(self, key: str) -> str | None:
        """A text; None if it is not set or empty."""
        value = self.settings.get(key)
        return value if isinstance(value, str) and value else None


def read_config(path: Path, checks: Checklist) -> PeftConfig:
    """Read and check a configuration.

    Args:
        path: The file.
        checks: Where failures go that may be passed over.

    Raises:
        AdapterRefused: With what is wrong and what to do about it.
    """
    content = _load(path)
    kind = content.get("peft_type")
    if not isinstance(kind, str) or kind not in SETTINGS:
        raise _unknown_type(path, kind)
    task = content.get("task_type")
    if not (task is None or isinstance(task, str)) or task not in _TASKS:
        raise refusal(
            "P32",
            f"{path}: the task type is {task!r:.40}; only 'CAUSAL_LM' and 'SEQ_CLS' are supported",
            fix="Judge the adapter with a tool for its task.",
        )
    for key, value in content.items():
        _check_setting(path, kind, (key, value), checks=checks)
    config = PeftConfig(peft_type=kind, task_type=_TASKS[task], settings=content)
    _check_version(path, config.text("peft_version"), checks)
    _check_scale(path, config, checks)
    return config


def _load(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise refusal(
            "P02", f"{path}: no such file", fix="Name the folder that PEFT's save_pretrained wrote."
        ) from None
    except OSError as problem:
        raise refusal("P02", f"{path}: cannot be read: {problem.strerror or problem}") from None
    if data.startswith(_LFS_POINTER):
        raise refusal("P01", f"{path}: a git-LFS pointer, not the file", fix="Run `git lfs pull`, then try again.")
    if len(data) > _LARGEST_FILE_BYTES:
        raise refusal("P32", f"{path}: larger than {_LARGEST_FILE_BYTES // 2**20} MiB, which no configuration is")
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise refusal("P02", f"{path}: not valid JSON in UTF-8", fix="Copy or download the file again.") from None
    if not isinstance(content, dict):
        raise refusal("P02", f"{path}: not an adapter configuration")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _unknown_type(path: Path, kind: object) -> AdapterRefused:
    why = NEVER.get(kind) if isinstance(kind, str) else None
    if why is not None:
        return refusal("P32", f"{path}: the adapter type {kind!r:.40} is not accepted: {why}")
    return refusal(
        "P06",
        f"{path}: the adapter type {kind!r:.40} is not known",
        fix="Known are the types of PEFT 0.21, such as LORA, IA3 or PROMPT_TUNING.",
    )


def _check_setting(path: Path, kind: str, item: tuple[str, object], *, checks: Checklist) -> None:
    key, value = item
    setting = SETTINGS[kind].get(key)
    if value is None or (setting is not None and setting.accepts(value)) or _is_unset(key, value):
        return
    if setting is not None:
        is_text = key == "prompt_tuning_init"
        raise refusal(
            setting.check,
            f"{path}: `{key}` must be {setting.wanted}",
            fix="Only training reads it: set it to RANDOM." if is_text else "Mend it, or train again without it.",
        )
    if key in UNSET:
        raise refusal(
            "P32",
            f"{path}: the key {key!r:.60} is set, which could load or run something else",
            fix=f"Set it to {json.dumps(UNSET[key])} if only training needed it, or train without it.",
        )
    if value in _HARMLESS:
        return
    what = f"{path}: the key {key!r:.60} is set and not known for {kind}, so what it would change is unknown"
    fix = "Remove it if it has no effect, or train without it."
    if not (isinstance(value, bool) or is_number(value)):
        raise refusal("P06", what, fix=fix)  # a text or a list of them could name anything: never passed over
    checks.fail("P06", what, fix=fix)


def _is_unset(key: str, value: object) -> bool:
    """Whether it is what PEFT writes without being asked."""
    if key == "auto_mapping":
        # Written for every adapter without a task type, and read by AutoPeftModel alone, which is never used.
        match value:
            case {"base_model_class": str(name), "parent_library": str(library), **rest}:
                return not rest and bool(_CLASS_NAME.fullmatch(name)) and bool(_FRAMEWORK.fullmatch(library))
    return key in UNSET and value in (UNSET[key], None, {}, [])


def _check_version(path: Path, recorded: str | None, checks: Checklist) -> None:
    """Say so when a newer PEFT wrote the file: it may mean something else by a setting that both know."""
    try:
        installed = version("peft")
    except PackageNotFoundError:  # recorded answers and servers need none
        return
    if recorded is not None and _release(recorded) > _release(installed):
        checks.warn("P06", f"{path}: written by PEFT {recorded:.40}, installed is {installed}")


def _release(text: str) -> tuple[int, ...]:
    found = _RELEASE.match(text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _check_scale(path: Path, config: PeftConfig, checks: Checklist) -> None:
    for key, scale in _scales(config):
        if scale == 0:
            checks.fail("P04", f"{path}: `{key}` is 0, so the adapter changes nothing", fix="Was it set by mistake?")
        elif abs(scale) > _LARGEST_USUAL_SCALE and config.peft_type in _SCALED:
            checks.warn(
                "P04", f"{path}: `{key}` makes the update {scale:,.0f} times as large, more than {_LARGEST_USUAL_SCALE}"
            )
        elif scale < 0:
            checks.warn("P04", f"{path}: `{key}` is negative, so the adapter does the opposite of what it learned")


def _scales(config: PeftConfig) -> Iterator[tuple[str, float]]:
    """The factors of the updates, each with the setting that makes it."""
    factor = _FACTORS.get(config.peft_type)
    if factor is not None and (value := config.number(factor)) is not None:
        yield factor, value
    key = _SCALED.get(config.peft_type)
    rank = config.integer("r")
    if key is None or not rank:
        return
    divisor = math.sqrt(rank) if config.settings.get("use_rslora") is True else rank
    alpha = config.number(key)
    if alpha is not None:
        yield key, alpha / divisor
    for name, one in config.numbers("alpha_pattern").items():
        own_rank = config.numbers("rank_pattern").get(name, rank) or rank
        yield (
            f"alpha_pattern.{name}",
            one / (math.sqrt(own_rank) if config.settings.get("use_rslora") is True else own_rank),
        )
