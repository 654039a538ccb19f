"""Reading a safetensors file without torch: its header, and whether every number in it is finite.

The layout is: 8 bytes little-endian length, that many bytes of JSON (name -> dtype, shape, data_offsets), raw data.
Nothing in the file is trusted: lengths, offsets and shapes are checked before they are used.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gate.errors import AdapterRefused

_MAX_HEADER_BYTES = 16 * 1024 * 1024
_MAX_DIMENSIONS = 8  # no layer has more; a million of them would make their product take minutes
_CHUNK_ELEMENTS = 4 * 1024 * 1024
_LFS_POINTER = b"version https://git-lfs"

_EXPONENT: Mapping[str, tuple[type[np.unsignedinteger], int]] = {
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
    "F32": (np.uint32, 0x7F80_0000),
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
}
"""Element type -> its bits, and the exponent bits, which are all ones exactly in NaN and the infinities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor as its file describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """Offset of the first byte in the file."""
    finite: bool
    zero: bool
    """Every element is zero."""


def read_tensors(path: Path) -> tuple[Tensor, ...]:
    """Read the header and scan the numbers.

    Raises:
        AdapterRefused: If the file is missing, a git-LFS pointer, truncated, or not what its header says.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            header, data_begin = _header(file, size, path.name)
            return tuple(_tensor(file, name, entry, (data_begin, size)) for name, entry in header.items())
    except OSError as problem:
        raise AdapterRefused(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except _Malformed as problem:
        raise AdapterRefused(
            f"{path}: not a whole safetensors file: {problem}", fix="Copy or download the file again."
        ) from None


class _Malformed(Exception):
    """The file contradicts itself."""


def _header(file: BinaryIO, size: int, name: str) -> tuple[dict[str, object], int]:
    start = file.read(len(_LFS_POINTER))
    if start == _LFS_POINTER:
        raise AdapterRefused(
            f"{name} is a git-LFS pointer, not the weights", fix="Run `git lfs pull` in the repository, then try again."
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


def _tensor(file: BinaryIO, name: str, entry: object, bounds: tuple[int, int]) -> Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]} if len(
            shape
        ) <= _MAX_DIMENSIONS and all(isinstance(length, int) and 0 <= length < 2**40 for length in shape):
            pass
        case _:
            raise _Malformed(f"the tensor {name!r:.80} is not described as a tensor")
    if dtype not in _EXPONENT:
        raise AdapterRefused(
            f"the tensor {name!r:.80} has the element type {dtype!r:.20}; adapters hold {', '.join(_EXPONENT)}"
        )
    kind, exponent = _EXPONENT[dtype]
    data_begin, size = bounds
    count = math.prod(shape)
    if not 0 <= begin <= end <= size - data_begin or end - begin != count * np.dtype(kind).itemsize:
        raise _Malformed(f"the tensor {name!r:.80} lies outside the file")
    finite, zero = _scan(file, data_begin + begin, count, (kind, exponent))
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=data_begin + begin, finite=finite, zero=zero)


def _scan(file: BinaryIO, begin: int, count: int, bits: tuple[type[np.unsignedinteger], int]) -> tuple[bool, bool]:
    """Whether all elements are finite, and whether all are zero (of either sign)."""
    kind, exponent = bits
    mask, sign = kind(exponent), kind(1 << (np.dtype(kind).itemsize * 8 - 1))
    finite = zero = True
    file.seek(begin)
    while count:
        chunk: NDArray[np.unsignedinteger] = np.fromfile(file, dtype=kind, count=min(count, _CHUNK_ELEMENTS))
        if not len(chunk):
            raise _Malformed("it ends early")
        finite = finite and not bool(np.any((chunk & mask) == mask))
        zero = zero and not bool(np.any(chunk & ~sign))
        count -= len(chunk)
    return finite, zero
