"""A full fine-tune: its weights are whole, finite and not those of the base. No weights are loaded and no code is run.

Compares files only; what the model answers is the engine's business.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from gate import wording
from gate.adapters.checklist import Checklist, refusal
from gate.adapters.folder import refuse_irregular
from gate.adapters.safetensors_file import Entry, list_tensors, read_tensors
from gate.domain import Check

_INDEX = "model.safetensors.index.json"
_LARGEST_INDEX_BYTES = 64 * 1024 * 1024
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_SAMPLE_BYTES = 4096
_CHUNK_BYTES = 4 * 1024 * 1024


def check_model(
    path: Path, *, base: Path | None = None, scan: bool = True, allow: Set[str] = frozenset()
) -> tuple[Check, ...]:
    """Inspect a full fine-tune.

    Args:
        path: Its folder.
        base: The base model's folder; None: it is not on this machine.
        scan: Whether every number is looked at, which takes as long as reading the files.
        allow: Ids of checks whose failure is passed over where that leaves something to judge.

    Returns:
        What was looked at, by id.

    Raises:
        AdapterRefused: With what is wrong, the id of the failed check, and what to do about it.
    """
    checks = Checklist(allow)
    refuse_irregular(path)
    files = weight_files(path)
    if scan:
        _refuse_bad_numbers(files)
    else:
        for file in files:
            list_tensors(file)
    if base is not None and _is_same_model(files, weight_files(base)):
        raise refusal(
            "P36",
            f"{path}: every tensor is byte for byte the base's",
            fix="Was it saved before training, or is it the base?",
        )
    looked_at = ("P01", "P02", *(("P03",) if scan else ()), "P32", *(("P36",) if base is not None else ()))
    return checks.passed(*looked_at)


def weight_files(path: Path) -> tuple[Path, ...]:
    """The safetensors files that a model's folder is loaded from.

    Raises:
        AdapterRefused: If there are none, or one that the index names is missing or outside the folder.
    """
    index = path / _INDEX
    if index.is_file() and not (path / "model.safetensors").is_file():
        names = sorted(_named_in(index))
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            raise refusal(
                "P02", f"{path}: {missing[0]!r:.80} is missing, which {_INDEX} names", fix="Copy or download it again."
            )
        return tuple(path / name for name in names)
    files = tuple(sorted(path.glob("*.safetensors")))
    if files:
        return files
    if any(next(path.glob(pattern), None) for pattern in _PICKLES):
        raise refusal(
            "P32",
            f"{path}: pickled weights are never loaded, they can run code",
            fix="Save the model as safetensors: model.save_pretrained(folder, safe_serialization=True).",
        )
    raise refusal("P02", f"{path}: no safetensors weights", fix="Name the folder of a saved model.")


def _named_in(index: Path) -> Iterator[str]:
    try:
        with index.open("rb") as file:
            content = json.loads(file.read(_LARGEST_INDEX_BYTES))
    except OSError as problem:
        raise refusal("P02", f"{index}: cannot be read: {problem.strerror or problem}") from None
    except (ValueError, RecursionError):
        raise refusal("P02", f"{index}: not valid JSON", fix="Copy or download the file again.") from None
    match content:
        case {"weight_map": {**places}}:
            names = set(map(str, places.values()))
        case _:
            raise refusal("P02", f"{index}: it has no `weight_map`", fix="Save the model again.")
    for name in names:
        if "/" in name or "\\" in name or not name.endswith(".safetensors"):
            raise refusal(
                "P32", f"{index}: it names {name!r:.80}, which is no safetensors file beside it", fix="Save it again."
            )
        yield name


def _refuse_bad_numbers(files: Sequence[Path]) -> None:
    tensors = [(file, tensor) for file in files for tensor in read_tensors(file)]
    bad = [(file, tensor.name) for file, tensor in tensors if not tensor.finite]
    if bad:
        raise refusal(
            "P03",
            f"{bad[0][0]}: {wording.count(len(bad), 'tensor')} with NaN or infinity, the first is {bad[0][1]!r:.120}",
            fix="The training diverged; use an earlier checkpoint or a lower learning rate.",
        )
    if all(tensor.zero for _, tensor in tensors):
        raise refusal("P03", f"{files[0].parent}: every weight is zero", fix="Was it saved before training?")


def _is_same_model(files: Sequence[Path], base: Sequence[Path]) -> bool:
    """Whether both have the same tensors; a few bytes of each decide almost always."""
    ours, theirs = _by_name(files), _by_name(base)
    if ours.keys() != theirs.keys():
        return False
    pairs = [(ours[name], theirs[name]) for name in ours]
    if any((one.dtype, one.shape) != (other.dtype, other.shape) for (_, one), (_, other) in pairs):
        return False
    return all(_are_alike(ours, theirs, whole=False) for ours, theirs in pairs) and all(
        _are_alike(ours, theirs, whole=True) for ours, theirs in pairs
    )


def _by_name(files: Sequence[Path]) -> Mapping[str, tuple[Path, Entry]]:
    return {entry.name: (file, entry) for file in files for entry in list_tensors(file)}


def _are_alike(ours: tuple[Path, Entry], theirs: tuple[Path, Entry], *, whole: bool) -> bool:
    (our_file, one), (their_file, other) = ours, theirs
    size = one.end - one.begin
    offsets = range(0, size, _CHUNK_BYTES) if whole else {0, size // 2, max(0, size - _SAMPLE_BYTES)}
    length = _CHUNK_BYTES if whole else _SAMPLE_BYTES
    with our_file.open("rb") as first, their_file.open("rb") as second:
        for offset in offsets:
            first.seek(one.begin + offset)
            second.seek(other.begin + offset)
            count = min(length, size - offset)
            if first.read(count) != second.read(count):
                return False
    return True
