"""Members of a zip file of unknown origin, read one at a time into memory, with limits on everything.

No member's name is ever used as a path. This module must not know what the members mean.
"""

import importlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gate.data.lines import read_bytes
from gate.errors import RecordsError

LARGEST_ARCHIVE_MIB = 512
LARGEST_MEMBER_MIB = 256
LARGEST_TOTAL_MIB = 4096
"""All members that are read together, unpacked."""
MOST_MEMBERS = 200_000

_MIB = 1024 * 1024
_ENTRY = b"PK\x01\x02"
"""What the entry of each member in a zip file's directory begins with."""
_ZSTANDARD = 93
"""Number of the compression method; Python's own `zipfile` has it from 3.14 on."""
_LOCAL_HEADER_BYTES = 30
_NAME_LENGTH_AT = 26


class Archive:
    """A zip file whose members can be read by name; of members with the same name, the last one counts."""

    def __init__(self, path: Path) -> None:
        self._label = str(path)
        self._data = read_bytes(path, label=self._label, largest_mib=LARGEST_ARCHIVE_MIB, error=RecordsError)
        # Counted before the directory is parsed: each entry costs far more memory than its 46 bytes in the file.
        if self._data.count(_ENTRY) > MOST_MEMBERS:
            raise RecordsError(f"{self._label} has more than {MOST_MEMBERS:,} members.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(self._data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as broken:
            raise RecordsError(
                f"{self._label} is not a whole zip file: {broken}.", fix="Copy it again; it may be cut off."
            ) from None
        self._left_bytes = LARGEST_TOTAL_MIB * _MIB

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    @property
    def names(self) -> Sequence[str]:
        """Each name once, in the order of the file."""
        return tuple(dict.fromkeys(self._zip.namelist()))

    def read(self, name: str) -> bytes:
        """Unpack one member.

        Raises:
            RecordsError: It is too large, broken, encrypted, or packed in an unknown way.
        """
        limit = min(LARGEST_MEMBER_MIB * _MIB, self._left_bytes)
        info = self._zip.getinfo(name)
        try:
            data = b"".join(self._chunks(info, limit=limit))
        except (NotImplementedError, RuntimeError) as unknown:  # unknown method; encrypted
            raise RecordsError(f"{name} in {self._label} cannot be unpacked: {unknown}.") from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as broken:
            raise RecordsError(
                f"{name} in {self._label} is broken: {broken}.", fix="Copy the file again; it may be cut off."
            ) from None
        if len(data) > limit:
            raise RecordsError(
                f"{name} in {self._label} unpacks to more than {LARGEST_MEMBER_MIB} MiB, or all members together to "
                f"more than {LARGEST_TOTAL_MIB} MiB."
            )
        self._left_bytes -= len(data)
        return data

    def _chunks(self, info: zipfile.ZipInfo, *, limit: int) -> Iterator[bytes]:
        """Yield the unpacked bytes, at most one more than the limit."""
        if info.compress_type == _ZSTANDARD:
            yield self._zstandard(info, limit=limit)
            return
        with self._zip.open(info) as file:
            yield file.read(limit + 1)

    def _zstandard(self, info: zipfile.ZipInfo, *, limit: int) -> bytes:
        try:
            zstandard = importlib.import_module("zstandard")
        except ModuleNotFoundError:
            raise RecordsError(
                f"{self._label} is packed with Zstandard, which needs the package zstandard.",
                fix="Install it (pip install zstandard), or write the log as JSON: "
                "inspect log convert --to json --output-dir DIR FILE",
            ) from None
        header = self._data[info.header_offset : info.header_offset + _LOCAL_HEADER_BYTES]
        lengths = header[_NAME_LENGTH_AT:]
        start = info.header_offset + _LOCAL_HEADER_BYTES
        start += int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        packed = io.BytesIO(self._data[start : start + info.compress_size])
        broken: type[Exception] = zstandard.ZstdError
        chunks: list[bytes] = []
        try:
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            while sum(map(len, chunks)) <= limit and (chunk := reader.read(_MIB)):
                chunks.append(chunk)
        except broken as error:
            raise zipfile.BadZipFile(str(error)) from None
        data = b"".join(chunks)
        if len(data) <= limit and zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile("its checksum is wrong")
        return data
