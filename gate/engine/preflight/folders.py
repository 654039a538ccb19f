"""Checks of what lies beside the weights: tokenizer, template, generation settings and number formats of each folder.

Files are read as data and compared; nothing in them is loaded or run.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gate import wording
from gate.domain import Check
from gate.engine.chat_template import template_source
from gate.engine.preflight.subject import Subject, passed, quoted, read_json, skipped, warned

_LARGEST_TEMPLATE_BYTES = 1024**2
_QUANTISED_NAMES = ("bnb-4bit", "bnb-8bit", "-4bit", "-8bit", "-awq", "-gptq", "-int4", "-int8", "-nf4", "-fp8")
_UNTOUCHED: Mapping[str, tuple[object, ...]] = {
    "repetition_penalty": (1, None),
    "encoder_repetition_penalty": (1, None),
    "no_repeat_ngram_size": (0, None),
    "encoder_no_repeat_ngram_size": (0, None),
    "diversity_penalty": (0, None),
    "num_beams": (1, None),
    "min_length": (0, None),
    "min_new_tokens": (0, None),
    "penalty_alpha": (0, None),
    "guidance_scale": (1, None),
    **dict.fromkeys(
        ("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias", "forced_bos_token_id",
         "forced_eos_token_id", "exponential_decay_length_penalty", "stop_strings"),
        ([], None),
    ),
}  # fmt: skip
"""Settings that bend even a greedy answer, and the values with which they do not."""
_DRAWING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "typical_p")
_BITS = {"float64": 64, "float32": 32, "bfloat16": 16, "float16": 16}
_NAMED_AT_MOST = 3


def same_tokenizer(subject: Subject) -> Check:
    """P18: what an arm's own folder says of template and tokenizer is what the base's says."""
    notes = []
    for arm, folder in subject.folders.items():
        parts = [*_template_differences(subject, folder), *_tokenizer_differences(subject.base.path, folder)]
        if parts:
            notes.append(f"{arm}: its folder has {wording.listing(parts)}.")
    if notes:
        return warned("P18", f"{' '.join(notes)} Every arm is asked with the base's.")
    return passed("P18")


def _template_differences(subject: Subject, folder: Path) -> Iterator[str]:
    own = _template_in(folder)
    if own is None or not subject.is_chat:
        return
    base = template_source(subject.tokenizer) or ""
    if own.strip() == base.strip():
        return
    lines = zip([*own.splitlines(), ""], [*base.splitlines(), ""], strict=False)
    number = next((number for number, (mine, theirs) in enumerate(lines, 1) if mine != theirs), 1)
    line = [*own.splitlines(), ""][number - 1].strip()
    yield f"another chat template (it differs from line {number} on, {quoted(line) if line else 'where one ends'})"


def _template_in(folder: Path) -> str | None:
    """The chat template that a folder brings, as transformers would find it; None: it brings none."""
    try:
        path = folder / "chat_template.jinja"
        if path.stat().st_size <= _LARGEST_TEMPLATE_BYTES:
            return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    written = (read_json(folder / "tokenizer_config.json") or {}).get("chat_template")
    if isinstance(written, list):  # several, each with a name
        named = {one.get("name"): one.get("template") for one in written if isinstance(one, dict)}
        written = named.get("default")
    return written if isinstance(written, str) else None


def _tokenizer_differences(base: Path, folder: Path) -> Iterator[str]:
    own, theirs = read_json(folder / "tokenizer.json"), read_json(base / "tokenizer.json")
    if own is not None and theirs is not None:
        ours, others = _tokens(own), _tokens(theirs)
        added = sorted(token for token in ours if token not in others)
        moved = [token for token in ours if token in others and ours[token] != others[token]]
        if added:
            yield f"{wording.count(len(added), 'token')} that the base has not ({_named(added)})"
        if lost := sorted(token for token in others if token not in ours):
            yield f"{wording.count(len(lost), 'token')} fewer ({_named(lost)})"
        if moved:
            yield f"{wording.count(len(moved), 'token')} with another number ({_named(moved)})"
        changed = [part for part in ("normalizer", "pre_tokenizer") if own.get(part) != theirs.get(part)]
        if changed or _merges(own) != _merges(theirs):
            yield "another way to cut texts into tokens"
    settings, base_settings = (read_json(path / "tokenizer_config.json") for path in (folder, base))
    if settings is not None and base_settings is not None:
        for key in ("bos_token", "eos_token"):
            mine, other = _content(settings.get(key)), _content(base_settings.get(key))
            if mine is not None and mine != other:
                yield f"{quoted(mine)} as `{key}` in place of {quoted(other)}"


def _tokens(tokenizer: Mapping[str, Any]) -> dict[str, object]:
    """Token -> number, of a `tokenizer.json`; whatever has another form counts as nothing."""
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    found: dict[str, object] = {}
    if isinstance(vocabulary, dict):
        found |= vocabulary
    elif isinstance(vocabulary, list):  # Unigram: pairs of piece and score, numbered by their place
        found |= {str(pair[0]): number for number, pair in enumerate(vocabulary) if isinstance(pair, list) and pair}
    for one in added if isinstance(added, list) else ():
        if isinstance(one, dict):
            found[str(one.get("content"))] = one.get("id")
    return found


def _merges(tokenizer: Mapping[str, Any]) -> list[object]:
    """The merges of a `tokenizer.json`, which libraries write as pairs or as one text."""
    model = tokenizer.get("model")
    merges = model.get("merges") if isinstance(model, dict) else None
    return [" ".join(map(str, one)) if isinstance(one, list) else one for one in merges or ()]


def _content(token: object) -> str | None:
    """A special token's text, which is written plain or as an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _named(tokens: list[str]) -> str:
    more = ", ..." if len(tokens) > _NAMED_AT_MOST else ""
    return ", ".join(quoted(token) for token in tokens[:_NAMED_AT_MOST]) + more


def own_settings(subject: Subject) -> Check:
    """P24: the folder's generation settings, which the gate replaces, would not have bent a greedy answer."""
    drawing: list[str] = []
    notes = []
    for arm, folder in {"base": subject.base.path, **subject.folders}.items():
        settings = read_json(folder / "generation_config.json")
        if settings is None:
            continue
        bending = [key for key, harmless in _UNTOUCHED.items() if settings.get(key) not in harmless]
        if bending:
            listed = ", ".join(f"{key} {quoted(json.dumps(settings[key]))}" for key in bending)
            notes.append(f"{arm}: {listed}")
        drawing += [key for key in _DRAWING if settings.get(key) not in (None, False) and key not in drawing]
    if notes:
        return warned(
            "P24",
            f"generation_config.json sets what the gate leaves out ({'; '.join(notes)}): where it is in effect, "
            "answers differ from those judged here.",
        )
    if drawing:
        return passed("P24", f"Sampling settings ({', '.join(drawing)}) are replaced by the gate's.")
    return passed("P24")


def quantisation(subject: Subject) -> Check:
    """P09: an arm that was trained on a quantised base is asked on one, as far as the names tell."""
    is_quantised = getattr(subject.config, "quantization_config", None) is not None
    notes = []
    for arm, files in subject.request.adapters.items():
        recorded = (read_json(files.path / "adapter_config.json") or {}).get("base_model_name_or_path")
        # The last part is the model's name; folders above it are called whatever their owner likes.
        name = recorded.rstrip("/").rpartition("/")[2].lower() if isinstance(recorded, str) else ""
        if not is_quantised and any(mark in name for mark in _QUANTISED_NAMES):
            notes.append(f"{arm}: it was trained on {quoted(recorded)}, which is quantised; the base here is not.")
    for arm, model in subject.request.models.items():
        stored = (read_json(model.path / "config.json") or {}).get("quantization_config") is not None
        own = stored or subject.request.settings.quantization != "none"
        if own != is_quantised:
            notes.append(f"{arm}: it is {'quantised, the base is not' if own else 'not quantised, the base is'}.")
    if notes:
        return warned("P09", f"{' '.join(notes)} The difference counts as the candidate's.")
    return passed("P09", "All arms are quantised." if is_quantised else "")


def number_format(subject: Subject) -> Check:
    """P10: the weights are held in a format that takes in the one in which they are stored."""
    settings = read_json(subject.base.path / "config.json") or {}
    stored = str(settings.get("dtype") or settings.get("torch_dtype") or "").removeprefix("torch.")
    loaded = subject.dtype
    if loaded == stored:
        return passed("P10", f"{loaded}, as stored.")
    if stored not in _BITS or loaded not in _BITS:
        return skipped("P10", f"The weights are held in {loaded}; the base does not say how they are stored.")
    # Of the two 16-bit formats one has the range and the other the digits: neither takes in the other.
    if _BITS[loaded] <= _BITS[stored]:
        return warned("P10", f"The weights are stored in {stored} and held in {loaded}, which rounds them.")
    return passed("P10", f"{loaded}, stored in {stored}.")
