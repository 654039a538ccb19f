"""A candidate that is a model of its own: whether the base's tokens mean the same to it, and how its answers end.

It is asked with the base's token ids, so that nothing but weights differs; what its own tokenizer would have made of
the prompts is compared here, from files alone. Must not know which other arms there are.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gate import wording
from gate.engine.base_model import BaseFolder
from gate.engine.loading import load_tokenizer
from gate.engine.quantization import stored_method
from gate.errors import AdapterRefused

_SHOWN_AT_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTune:
    """A full fine-tune that may be loaded."""

    folder: BaseFolder
    load: Callable[[], Any]
    """Loads its weights, in the base's number format."""
    tokenizer: Any
    """What its answers are decoded with; None: the base's."""
    stop_ids: tuple[int, ...]
    """The tokens that end its answers, the first of which pads."""
    warnings: tuple[str, ...]


def inspect_fine_tune(
    folder: BaseFolder,
    base: BaseFolder,
    *,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    load: Callable[[], Any],
) -> FineTune:
    """Look at the files of a fine-tune.

    Args:
        folder: The fine-tune.
        base: The base model.
        tokenizer: The base's.
        prompts: Token ids of all prompts, made by that tokenizer.
        load: Loads the fine-tune.

    Raises:
        AdapterRefused: If the ids of the prompts do not fit its vocabulary or mean other tokens to it, or if it
            is no language model.
    """
    config = _read(folder, "config.json")
    architecture = str((config.get("architectures") or [""])[0])
    if architecture.endswith("ForSequenceClassification"):
        raise AdapterRefused(
            f"{folder.name}: {architecture:.80} is a classifier, which has no answers in words",
            fix="A classifier is judged as an adapter with `task_type: SEQ_CLS`.",
        )
    rows, highest = _vocabulary_size(config), max(tokenizer.get_vocab().values())
    if rows is not None and rows <= highest:
        raise AdapterRefused(
            f"{folder.name}: its vocabulary has {rows:,} tokens, the base's tokenizer has ids up to {highest:,}",
            fix="A fine-tune keeps its base's tokenizer or adds to it; is this one made from another base?",
        )
    own = load_tokenizer(folder.path, key=folder.name) if _has_tokenizer(folder) else None
    warnings = []
    if own is not None:
        _refuse_other_meaning(folder, tokenizer, own, used={token for prompt in prompts for token in prompt})
        differences = tokenizer_differences(tokenizer, own)
        if differences:
            warnings.append(
                f"The tokenizer of {folder.name} is not the base's: {wording.listing(differences)}. "
                "All arms are asked with the base's tokens and template."
            )
    if stored_method(folder.path) != stored_method(base.path):
        warnings.append(
            f"{folder.name} is stored {_stored(folder)} and {base.name} {_stored(base)}: "
            "part of the difference may be the number format."
        )
    return FineTune(
        folder=folder,
        load=load,
        tokenizer=own,
        stop_ids=_stop_ids(folder, config, own or tokenizer),
        warnings=tuple(warnings),
    )


def tokenizer_differences(base: Any, own: Any) -> list[str]:
    """What differs between two tokenizers, in a few words each; nothing if they are the same."""
    mine, theirs = base.get_vocab(), own.get_vocab()
    found = []
    for words, what in (
        ([token for token, index in theirs.items() if token not in mine], "added"),
        ([token for token, index in mine.items() if token not in theirs], "removed"),
        ([token for token, index in mine.items() if theirs.get(token, index) != index], "with another id"),
    ):
        if words:
            shown = ", ".join(repr(word)[:40] for word in sorted(words)[:_SHOWN_AT_MOST])
            found.append(f"{wording.count(len(words), 'token')} {what} ({shown})")
    if base.eos_token != own.eos_token:
        found.append(f"the end-of-sequence token is {str(own.eos_token)[:40]!r}, not {str(base.eos_token)[:40]!r}")
    if base.chat_template != own.chat_template:
        found.append("the chat template")
    return found


def _refuse_other_meaning(folder: BaseFolder, base: Any, own: Any, *, used: Iterable[int]) -> None:
    ids = sorted(used)
    pairs = zip(ids, base.convert_ids_to_tokens(ids), own.convert_ids_to_tokens(ids), strict=True)
    wrong = [(index, mine, theirs) for index, mine, theirs in pairs if mine != theirs]
    if wrong:
        index, mine, theirs = wrong[0]
        raise AdapterRefused(
            f"{folder.name}: {wording.count(len(wrong), 'token')} of the prompts mean something else to it, "
            f"for example {index} is {theirs!r:.40} and not {mine!r:.40}",
            fix="Is it made from another base? Its tokens cannot be compared with these.",
        )


def _stop_ids(folder: BaseFolder, config: dict[str, Any], tokenizer: Any) -> tuple[int, ...]:
    nested = config.get("text_config")
    sources = [
        tokenizer.eos_token_id,
        _read(folder, "generation_config.json").get("eos_token_id"),
        config.get("eos_token_id"),
        nested.get("eos_token_id") if isinstance(nested, dict) else None,
    ]
    found = [one for source in sources for one in (source if isinstance(source, list) else [source])]
    ids = tuple(dict.fromkeys(one for one in found if isinstance(one, int)))
    if not ids:
        raise AdapterRefused(f"{folder.name}: neither tokenizer nor model name an end-of-sequence token")
    return ids


def _vocabulary_size(config: dict[str, Any]) -> int | None:
    nested = config.get("text_config")
    size = config.get("vocab_size", nested.get("vocab_size") if isinstance(nested, dict) else None)
    return size if isinstance(size, int) else None


def _has_tokenizer(folder: BaseFolder) -> bool:
    return any((folder.path / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))


def _stored(folder: BaseFolder) -> str:
    method = stored_method(folder.path)
    return f"quantised ({method:.40})" if method else "unquantised"


def _read(folder: BaseFolder, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder.path / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
