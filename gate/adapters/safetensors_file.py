"""Reading a safetensors file without torch: its header, and whether every number in it is finite.

The layout is: 8 bytes little-endian length, that many bytes of JSON (name -> dtype, shape, data_offsets), raw data.
Nothing in the file is trusted: lengths, offsets and shapes are checked before they are used.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gate.adapters.checklist import refusal

_MAX_HEADER_BYTES = 16 * 1024 * 1024
_MAX_DIMENSIONS = 8  # no layer has more; a million of them would make their product take minutes
_CHUNK_ELEMENTS = 4 * 1024 * 1024
_LFS_POINTER = b"version https://git-lfs"

_FLOATS: Mapping[str, tuple[type[np.unsignedinteger], int]] = {
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
    "F32": (np.uint32, 0x7F80_0000),
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F8_E5M2": (np.uint8, 0x7C),
    "F8_E4M3": (np.uint8, 0x7F),  # without infinities: only all ones is NaN
}
"""Element type -> its bits, and those that are all ones exactly in NaN and the infinities."""
_WHOLE: Mapping[str, type[np.unsignedinteger]] = {
    "I64": np.uint64, "U64": np.uint64, "I32": np.uint32, "U32": np.uint32, "I16": np.uint16, "U16": np.uint16,
    "I8": np.uint8, "U8": np.uint8, "BOOL": np.uint8,
}  # fmt: skip
"""Element types without NaN: indices, and the packed weights of a quantised model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tensor as the header of its file describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """Offset of the first byte in the file."""
    end: int
    """Offset behind the last byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor(Entry):
    """One tensor whose numbers were looked at."""

    finite: bool
    zero: bool
    """Every element is zero."""


def list_tensors(path: Path) -> tuple[Entry, ...]:
    """Read the header.

    Raises:
        AdapterRefused: If the file is missing, a git-LFS pointer, truncated, or not what its header says.
    """
    with _opened(path) as file:
        return tuple(_entries(file, path))


def read_tensors(path: Path) -> tuple[Tensor, ...]:
    """Read the header and scan the numbers.

    Raises:
        AdapterRefused: If the file is missing, a git-LFS pointer, truncated, or not what its header says.
    """
    with _opened(path) as file:
        return tuple(_scanned(file, entry) for entry in _entries(file, path))


class _Malformed(Exception):
    """The file contradicts itself."""


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as problem:
        raise refusal("P02", f"{path}: cannot be read: {problem.strerror or problem}") from None
    except _Malformed as problem:
        raise refusal(
            "P02", f"{path}: not a whole safetensors file: {problem}", fix="Copy or download the file again."
        ) from None


def _entries(file: BinaryIO, path: Path) -> Iterator[Entry]:
    size = path.stat().st_size
    header, data_begin = _header(file, size, path)
    left = size - data_begin
    for name, described in header.items():
        entry = _entry(name, described, data_begin, size=size)
        # Tensors that share their bytes would make a small file take for ever to read.
        left -= entry.end - entry.begin
        if left < 0:
            raise _Malformed("its tensors overlap")
        yield entry


def _header(file: BinaryIO, size: int, path: Path) -> tuple[dict[str, object], int]:
    start = file.read(len(_LFS_POINTER))
    if start == _LFS_POINTER:
        raise refusal(
            "P01",
            f"{path}: a git-LFS pointer, not the weights",
            fix="Run `git lfs pull` in the repository, then try again.",
        )
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
        raise _Malformed(f"its header should be {length:,} bytes long, the file has {size:,}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise _Malformed("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _Malformed("its header is not a mapping")
    header.pop("__metadata__", None)
    return header, 8 + length


def _entry(name: str, described: object, data_begin: int, *, size: int) -> Entry:
    match described:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if len(
            shape
        ) <= _MAX_DIMENSIONS and all(isinstance(length, int) and 0 <= length < 2**40 for length in shape):
            pass
        case _:
            raise _Malformed(f"the tensor {name!r:.80} is not described as a tensor")
    kind = _WHOLE.get(dtype) or _FLOATS.get(dtype, (None, 0))[0]
    if kind is None:
        known = ", ".join((*_FLOATS, *_WHOLE))
        raise refusal("P02", f"the tensor {name!r:.80} has the element type {dtype!r:.20}; known are {known}")
    if (
        not 0 <= begin <= end <= size - data_begin
        or end - begin != math.prod(map(int, shape)) * np.dtype(kind).itemsize
    ):
        raise _Malformed(f"the tensor {name!r:.80} lies outside the file")
    return Entry(name=name, dtype=dtype, shape=tuple(shape), begin=data_begin + begin, end=data_begin + end)


def _scanned(file: BinaryIO, entry: Entry) -> Tensor:
    """Whether all elements are finite, and whether all are zero (of either sign)."""
    kind, exponent = _FLOATS.get(entry.dtype) or (_WHOLE[entry.dtype], 0)
    mask, sign = kind(exponent), kind(1 << (np.dtype(kind).itemsize * 8 - 1) if exponent else 0)
    finite = zero = True
    count = math.prod(entry.shape)
    file.seek(entry.begin)
    while count:
        chunk: NDArray[np.unsignedinteger] = np.fromfile(file, dtype=kind, count=min(count, _CHUNK_ELEMENTS))
        if not len(chunk):
            raise _Malformed("it ends early")
        finite = finite and (not exponent or not bool(np.any((chunk & mask) == mask)))
        zero = zero and not bool(np.any(chunk & ~sign))
        count -= len(chunk)
    return Tensor(
        name=entry.name,
        dtype=entry.dtype,
        shape=entry.shape,
        begin=entry.begin,
        end=entry.end,
        finite=finite,
        zero=zero,
    )
