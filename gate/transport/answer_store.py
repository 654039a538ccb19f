"""Small values under content-made keys in one SQLite file, shared by all runs of a user.

A cache must never break a run: whatever goes wrong is said once, in one sentence, and from then on the store is empty
and takes nothing. Several processes may use the file at once. What is in it is not trusted: only bytes of a bounded
length ever come out, and whoever reads them checks what they mean. This module must not know what is stored.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

LARGEST_VALUE_BYTES = 1024 * 1024
"""A larger value is neither stored nor returned."""

_FILE = "answers-v1.sqlite"
_BUSY_SECONDS = 5.0
_SCHEMA_VERSION = 1
_CREATE = "CREATE TABLE answers (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, used_at INTEGER NOT NULL)"
_SCHEMA = [("table", "answers", _CREATE), ("index", "sqlite_autoindex_answers_1", None)]
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY_CODE = 0xFF
"""An extended result code of SQLite holds the primary one in its lowest byte."""

_MOUNTS = Path("/proc/self/mountinfo")
_LOCAL_FILE_SYSTEMS = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
"""Where processes of one machine alone can meet, which is what a write-ahead log asks for."""


def default_path(environ: Mapping[str, str]) -> Path | None:
    """Where the answers are kept unless somebody says otherwise.

    Args:
        environ: Environment variables.

    Returns:
        `answers-v1.sqlite` in `$GATE_CACHE_DIR`, else in `finetune-gate` below `$XDG_CACHE_HOME`, else below
        `~/.cache`. None if there is no home folder.

    References:
        XDG Base Directory Specification 0.8: a relative `$XDG_CACHE_HOME` is invalid and is ignored.
    """
    if own := environ.get("GATE_CACHE_DIR"):
        return Path(own) / _FILE
    caches = Path(environ.get("XDG_CACHE_HOME", ""))
    if not caches.is_absolute():
        try:
            caches = (Path(environ["HOME"]) if environ.get("HOME") else Path.home()) / ".cache"
        except RuntimeError:  # a user without an entry in the password file, as in some containers
            return None
    return caches / "finetune-gate" / _FILE


def _say_nothing(_sentence: str) -> None: ...


class AnswerStore:
    """An open file of values. A context manager: leaving it closes the file. `open` makes one."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, report: Callable[[str], None]) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._path = path
        self._report = report

    @classmethod
    def open(
        cls, path: Path, *, report: Callable[[str], None] = _say_nothing, busy_seconds: float = _BUSY_SECONDS
    ) -> "AnswerStore | None":
        """Open the file, or make it; a folder that is missing is made for this user alone.

        A damaged file is moved to `<name>.damaged` and a fresh one is made. While that is there, a second damaged file
        stays where it is: two processes must not each move away what the other has just made.

        Args:
            path: The file.
            report: Told in one sentence why there is no store, why it was made anew, and, later, why it gave out.
            busy_seconds: How long to wait for another process.

        Returns:
            None if there can be no store here: the folder cannot be made or written to, the disk is full, the file is
            no regular file or was made by another version of the gate. That is never an exception.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                connection = _connect(path, busy_seconds)
            except sqlite3.DatabaseError as problem:
                if not _is_damage(problem):
                    raise
                report(_set_aside(path))
                connection = _connect(path, busy_seconds)
        except (OSError, ValueError, sqlite3.Error) as problem:
            report(f"no answers are cached: {path}: {problem}")
            return None
        return cls(connection, path, report=report)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the store is empty and takes nothing from then on. Closing twice does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def read(self, keys: Sequence[str], *, used_at: int) -> dict[str, bytes]:
        """The values of those keys that have one.

        Args:
            keys: What to look for.
            used_at: The time of use in any unit, always the same one. What was used later is kept longer; in days, the
                second run of a day need not write.

        Returns:
            Key -> value, as somebody wrote it. If the store gives out on the way, what was read until then.
        """
        found: dict[str, bytes] = {}
        with self._lent() as connection:
            if connection is None:
                return found
            query = (
                "SELECT value, used_at < ? FROM answers WHERE key = ? AND typeof(value) = 'blob' AND length(value) <= ?"
            )
            not_of_late: list[str] = []
            with connection:
                connection.execute("BEGIN")  # so that the file is locked once
                for key in keys:
                    for value, is_earlier in connection.execute(query, (used_at, key, LARGEST_VALUE_BYTES)):
                        found[key] = value
                        if is_earlier:
                            not_of_late.append(key)
            if not_of_late:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    touch = "UPDATE answers SET used_at = ? WHERE key = ?"
                    connection.executemany(touch, [(used_at, key) for key in not_of_late])
        return found

    def write(self, items: Mapping[str, bytes], *, used_at: int) -> None:
        """Keep values, all or none; a key that is there already keeps the value that it has.

        Args:
            items: Key -> value. Values above `LARGEST_VALUE_BYTES` are left out.
            used_at: As in `read`.
        """
        rows = [(key, value, used_at) for key, value in items.items() if len(value) <= LARGEST_VALUE_BYTES]
        self._change("INSERT OR IGNORE INTO answers (key, value, used_at) VALUES (?, ?, ?)", rows)

    def remove(self, keys: Sequence[str]) -> None:
        """Throw away the values of these keys, all or none, so that new ones can be written."""
        self._change("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def trim(self, most_bytes: int) -> None:
        """Throw away what was used least recently, an eighth of all values at a time, until the file is small enough.

        Args:
            most_bytes: What the file may hold. An empty store still has its few pages.
        """
        with self._lent() as connection:
            if connection is None or _used_bytes(connection) <= most_bytes:
                return
            eighth = "SELECT rowid FROM answers ORDER BY used_at, rowid LIMIT (SELECT (count(*) + 7) / 8 FROM answers)"
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                while _used_bytes(connection) > most_bytes:
                    if connection.execute(f"DELETE FROM answers WHERE rowid IN ({eighth})").rowcount == 0:  # noqa: S608
                        break
            # As a script, because `execute` stops vacuuming after the first page.
            connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def _change(self, statement: str, rows: Sequence[tuple[str | bytes | int, ...]]) -> None:
        with self._lent() as connection:
            if connection is not None and rows:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(statement, rows)

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection | None]:
        """Lend the connection; None when the store is closed. At the first error the store says so and closes."""
        try:
            yield self._connection
        except sqlite3.Error as problem:
            # Asking a locked or full file again after every batch would cost a wait each time.
            self.close()
            self._report(f"no more answers are cached in this run: {self._path}: {problem}")
            if _is_damage(problem):
                with suppress(OSError):
                    self._report(_set_aside(self._path))


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open the file and see that it is one of ours.

    Raises:
        ValueError: It is no regular file, or not one of ours.
        sqlite3.Error: It cannot be opened, or is damaged.
    """
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # a pipe would be waited for
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        with connection:
            connection.execute("BEGIN")
            is_new = _is_new(connection)
        if is_new:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # lets `trim` hand space back; cannot be set later
        _choose_journal(connection, is_local=_is_local(path.parent))
        if is_new:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if _is_new(connection):  # no other process was faster
                    connection.execute(_CREATE)
                    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    """Whether the file is empty, at one moment if asked in a transaction; ValueError if it is not one of ours."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    if not schema and version == 0:
        return True
    if (version, schema) != (_SCHEMA_VERSION, _SCHEMA):  # word for word: a trigger or a view would be others' code
        raise ValueError("made by another program, or by another version of the gate")
    return False


def _choose_journal(connection: sqlite3.Connection, *, is_local: bool) -> None:
    """Let readers and a writer work at once where that is safe; elsewhere lock the whole file for each change.

    A write-ahead log needs memory that all users of the file share, and SQLite does not notice when they share none.

    References:
        https://www.sqlite.org/wal.html, section 1.
    """
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if is_local and mode != "wal":
        with suppress(sqlite3.OperationalError):  # another process is in the file just now; both ways are right here
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    elif not is_local and mode == "wal":
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        if mode == "wal":
            raise ValueError("in use by a process that takes this for a local disk")
    if mode == "wal":
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last answers, never the file


def _is_local(folder: Path) -> bool:
    """Whether the folder is on a disk of this machine; False also where that cannot be seen."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        device = folder.stat().st_dev
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts:
        place, _, kind = line.partition(" - ")
        if number in place.split()[2:3]:
            return not _LOCAL_FILE_SYSTEMS.isdisjoint(kind.split()[:1])
    return False


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_bytes)


def _is_damage(problem: sqlite3.Error) -> bool:
    return getattr(problem, "sqlite_errorcode", sqlite3.SQLITE_OK) & _PRIMARY_CODE in _DAMAGE


def _set_aside(path: Path) -> str:
    """Move a damaged file out of the way, once; returns what a person is told.

    Raises:
        OSError: An earlier damaged file is there still, or the folder cannot be written to.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        aside.touch(exist_ok=False)  # of several processes that see the damage, one gets past this line
    except FileExistsError:
        raise OSError(f"damaged, and so was an earlier one; delete both it and {aside.name}") from None
    for companion in ("-wal", "-shm"):  # a fresh file must not meet the log of this one
        path.with_name(path.name + companion).unlink(missing_ok=True)
    path.replace(aside)
    return f"the cached answers in {path} were damaged and are now in {aside.name}; they are made anew"
