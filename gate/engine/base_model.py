"""The base model's files: a folder, or a hub repository brought to a folder, and what they are made of.

No weights are loaded here and no code of the model's repository is ever run.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from gate.errors import BrokenRun, ConfigError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
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
        BrokenRun: If the hub cannot be reached.
    """
    path = relative_to / Path(model).expanduser()
    if path.is_dir():
        if revision is not None:
            raise ConfigError(f"base.revision: {model} is a folder and has no revisions", fix="Remove `revision`.")
        commit = None
    elif _HUB_ID.fullmatch(model):
        path = _download(model, revision)
        commit = path.name if _COMMIT.fullmatch(path.name) else None
    else:
        raise ConfigError(
            f"base.model: {path}: no such folder",
            fix="Name a model folder, relative to the configuration, or a hub id such as `Qwen/Qwen2.5-0.5B-Instruct`.",
        )
    _check(path)
    return BaseFolder(path=path, name=model, revision=commit, description=_describe(path), digest=_digest(path))


def _download(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = f"{model}@{revision}" if revision else model
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_FILES)))
    except GatedRepoError:
        raise ConfigError(
            f"base.model: {wanted} is gated", fix="Accept its licence on the hub and set HF_TOKEN to a token of yours."
        ) from None
    except RevisionNotFoundError:
        raise ConfigError(f"base.revision: {model} has no revision {revision!r}") from None
    except (LocalEntryNotFoundError, ConnectionError):
        raise BrokenRun(
            f"{wanted} is neither a folder, nor in the hub cache, and the hub cannot be reached",
            fix="Check the path (relative to the configuration) or the network, or fill the cache with `hf download`.",
        ) from None
    except RepositoryNotFoundError:
        raise ConfigError(
            f"base.model: {wanted} is neither a folder nor a repository on the hub",
            fix="Check the spelling; a private repository needs HF_TOKEN.",
        ) from None
    except OSError as problem:
        raise BrokenRun(f"{wanted} could not be downloaded: {problem}") from None


def _check(path: Path) -> None:
    if not (path / "config.json").is_file():
        raise ConfigError(f"base.model: {path}: no config.json in this folder", fix="Name the folder of a saved model.")
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise ConfigError(
            f"base.model: {path}: no safetensors weights", fix="Pickled weights are never loaded; convert them first."
        )
    for file in weights:
        with file.open("rb") as stream:
            if stream.read(23) == b"version https://git-lfs":
                raise ConfigError(f"{file}: a git-LFS pointer, not the weights", fix="Run `git lfs pull`.")


def _describe(path: Path) -> str:
    try:
        config = json.loads((path / "config.json").read_bytes())
        architecture = str((config.get("architectures") or [config.get("model_type")])[0])
    except (ValueError, AttributeError, RecursionError):
        raise ConfigError(f"base.model: {path / 'config.json'}: not a model configuration") from None
    size_bytes = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    return f"{architecture}, {size_bytes / 1e6:,.1f} MB"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _FILES for file in path.glob(pattern)}):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.name}\0{content}\n".encode())
    return digest.hexdigest()
