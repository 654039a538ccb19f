"""The base model's files: a folder, or a hub repository brought to a folder, and what they are made of.

No weights are loaded here and no code of the model's repository is ever run.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from gate.errors import ConfigError
from gate.transport.hub import commit_of, fetch, is_hub_id

_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""What a model is made of: weights, configuration and tokenizer. Pickled weights and code are left where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFolder:
    """A base model on this machine."""

    path: Path
    name: str
    """As configured."""
    revision: str | None
    """The commit that a hub repository was resolved to; None for a folder."""
    description: str
    digest: str
    """SHA-256 over names and contents of the files."""


def find_base(model: str, revision: str | None, relative_to: Path) -> BaseFolder:
    """Find the base model.

    Args:
        model: A folder, absolute or relative, or a hub id.
        revision: Commit, tag or branch of a hub id.
        relative_to: The folder that a relative path starts from.

    Raises:
        ConfigError: If there is no such model, or it has no safetensors weights.
        BrokenRun: If the hub gives nothing, or other files than it lists.
    """
    path = relative_to / Path(model).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ConfigError(f"base.revision: {model} is a folder and has no revisions", fix="Remove `revision`.")
        commit = None
    elif is_hub_id(model):
        path = fetch_base(model, revision)
        commit = commit_of(path)
    else:
        raise ConfigError(
            f"base.model: {model}: no such folder",
            fix="Name a model folder, relative to the configuration, or a hub id such as `Qwen/Qwen2.5-0.5B-Instruct`.",
        )
    return model_folder(path, model, revision=commit)


def fetch_base(model: str, revision: str | None) -> Path:
    """Bring a base model from the hub to this machine; takes and raises what `find_base` does for a hub id."""
    return fetch(model, revision, key="base.model", patterns=_FILES)


def model_folder(path: Path, name: str, *, revision: str | None = None, key: str = "base.model") -> BaseFolder:
    """Describe a model that is on this machine.

    Args:
        path: Its folder.
        name: What a report calls it.
        revision: The commit that a hub repository was resolved to.
        key: The key of the configuration that names it, for messages.

    Raises:
        ConfigError: If it has no configuration or no safetensors weights.
    """
    _check(path, key)
    return BaseFolder(path=path, name=name, revision=revision, description=_describe(path, key), digest=_digest(path))


def _check(path: Path, key: str) -> None:
    if not (path / "config.json").is_file():
        raise ConfigError(f"{key}: {path}: no config.json in this folder", fix="Name the folder of a saved model.")
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"{key}: {path}: no safetensors weights", fix="Pickled weights are never loaded; convert them first."
        )
    for file in weights:
        with file.open("rb") as stream:
            if stream.read(23) == b"version https://git-lfs":
                raise ConfigError(f"{file}: a git-LFS pointer, not the weights", fix="Run `git lfs pull`.")


def _describe(path: Path, key: str) -> str:
    try:
        config = json.loads((path / "config.json").read_bytes())
        architecture = str((config.get("architectures") or [config.get("model_type")])[0])
    except (ValueError, AttributeError, RecursionError):
        raise ConfigError(f"{key}: {path / 'config.json'}: not a model configuration") from None
    size_bytes = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    return f"{architecture}, {size_bytes / 1e6:,.1f} MB"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _FILES for file in path.glob(pattern)}):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.name}\0{content}\n".encode())
    return digest.hexdigest()
