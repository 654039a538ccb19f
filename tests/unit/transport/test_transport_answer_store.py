"""The file of cached values: shared, bounded, mistrusted, and never the reason why a run breaks."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gate.transport import answer_store
from gate.transport.answer_store import LARGEST_VALUE_BYTES, AnswerStore, default_path

NOBODY = 65534


@pytest.fixture(params=["write-ahead", "rollback"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Both kinds of disk: one that is known to be local, and one that is not."""
    device = tmp_path.stat().st_dev
    kind = "ext4" if request.param == "write-ahead" else "nfs4"
    (tmp_path / "mountinfo").write_text(f"24 1 {os.major(device)}:{os.minor(device)} / / rw - {kind} /dev/vda rw\n")
    monkeypatch.setattr(answer_store, "_MOUNTS", tmp_path / "mountinfo")
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "answers-v1.sqlite"


def opened(path: Path, said: list[str] | None = None) -> AnswerStore:
    store = AnswerStore.open(path, report=(said if said is not None else []).append, busy_seconds=0.05)
    assert store is not None, said
    return store


def refused(path: Path) -> str:
    said: list[str] = []
    assert AnswerStore.open(path, report=said.append, busy_seconds=0.05) is None
    assert len(said) == 1
    return said[0]


def fill(path: Path, count: int, *, value: bytes = b"v" * 1000) -> None:
    with opened(path) as store:
        store.write({f"k{index}": value for index in range(count)}, used_at=1)


def raw(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_default_path__own_variable_then_xdg_then_home() -> None:
    home = {"HOME": "/home/u"}
    assert default_path(home) == Path("/home/u/.cache/finetune-gate/answers-v1.sqlite")
    assert default_path({**home, "XDG_CACHE_HOME": "/x"}) == Path("/x/finetune-gate/answers-v1.sqlite")
    assert default_path({**home, "XDG_CACHE_HOME": "x"}) == Path("/home/u/.cache/finetune-gate/answers-v1.sqlite")
    assert default_path({"XDG_CACHE_HOME": "/x", "GATE_CACHE_DIR": "g"}) == Path("g/answers-v1.sqlite")
    assert default_path({"XDG_CACHE_HOME": "/x", "GATE_CACHE_DIR": ""}) == Path("/x/finetune-gate/answers-v1.sqlite")


def test_default_path__a_user_without_a_home_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)  # in no password file
    assert default_path({}) is None


def test_open__makes_a_private_folder_and_keeps_values(path: Path, journal: str) -> None:
    with opened(path) as store:
        store.write({"a": b"1", "b": b"\x00\xff"}, used_at=1)
        assert store.read(["b", "c", "a"], used_at=1) == {"b": b"\x00\xff", "a": b"1"}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with opened(path) as store:
        assert store.read(["a"], used_at=1) == {"a": b"1"}
    with closing(sqlite3.connect(path)) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    assert mode == ("wal" if journal == "write-ahead" else "delete")


@pytest.mark.parametrize(
    "mounts", ["", "garbage\n\n1 2\n - \n", "1 1 {device} / / rw -\n", "1 1 0:0 / / rw - ext4 x\n"]
)
def test_open__an_unknown_disk_gets_no_write_ahead_log(
    path: Path, tmp_path: Path, mounts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path.stat().st_dev
    (tmp_path / "mounts").write_text(mounts.format(device=f"{os.major(device)}:{os.minor(device)}"))
    monkeypatch.setattr(answer_store, "_MOUNTS", tmp_path / "mounts")
    fill(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_open__a_file_from_a_local_disk_loses_its_log_on_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path, 1)
    raw(path, "PRAGMA journal_mode = WAL")
    monkeypatch.setattr(answer_store, "_MOUNTS", path / "nowhere")
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM answers").fetchone()
        assert "locked" in refused(path)
    with opened(path) as store:
        assert store.read(["k0"], used_at=1) == {"k0": b"v" * 1000}


def test_write__the_first_value_stays_until_it_is_removed(path: Path) -> None:
    with opened(path) as store:
        store.write({"a": b"1"}, used_at=1)
        store.write({"a": b"2", "b": b"3"}, used_at=1)
        assert store.read(["a", "b"], used_at=1) == {"a": b"1", "b": b"3"}
        store.remove(["a", "unknown"])
        store.write({"a": b"2"}, used_at=1)
        assert store.read(["a"], used_at=1) == {"a": b"2"}


def test_write__a_value_that_is_too_large_is_left_out(path: Path) -> None:
    with opened(path) as store:
        store.write({"large": bytes(LARGEST_VALUE_BYTES + 1), "fits": bytes(LARGEST_VALUE_BYTES)}, used_at=1)
        assert store.read(["large", "fits"], used_at=1) == {"fits": bytes(LARGEST_VALUE_BYTES)}


def test_trim__drops_what_was_used_least_recently(path: Path, journal: str) -> None:
    values = {f"k{index:03}": os.urandom(10_000) for index in range(80)}
    with opened(path) as store:
        store.write(values, used_at=1)
        recent = sorted(values)[10:40]
        assert len(store.read(recent, used_at=2)) == 30
        store.write({"new": b"n"}, used_at=3)
        store.read(["new"], used_at=1)  # a clock that runs backwards takes nothing away
        store.trim(500_000)
        left = store.read([*values, "new"], used_at=2)
        assert {*recent, "new"} <= set(left)
        assert len(left) < 50
        assert path.stat().st_size <= 500_000
        store.trim(500_000)
        assert store.read(list(left), used_at=2) == left


def test_trim__an_impossible_bound_empties_the_store(path: Path) -> None:
    fill(path, 20)
    with opened(path) as store:
        store.trim(0)
        assert store.read([f"k{index}" for index in range(20)], used_at=1) == {}
        store.write({"k": b"v"}, used_at=1)
        assert store.read(["k"], used_at=1) == {"k": b"v"}


def test_close__a_closed_store_is_empty(path: Path) -> None:
    said: list[str] = []
    store = opened(path, said)
    store.write({"a": b"1"}, used_at=1)
    store.close()
    store.close()
    store.write({"b": b"1"}, used_at=1)
    store.remove(["a"])
    store.trim(0)
    assert store.read(["a"], used_at=1) == {}
    assert said == []
    with opened(path) as store:
        assert store.read(["a", "b"], used_at=1) == {"a": b"1"}


WRITER = """
import sys
from pathlib import Path
from gate.transport import answer_store

path, me, mounts = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
answer_store._MOUNTS = Path(mounts)
print("ready", flush=True)
sys.stdin.readline()
store = answer_store.AnswerStore.open(path, report=print, busy_seconds=60)
for batch in range(15):
    items = {f"{batch}-{index}": f"{batch}-{index} by {me}".encode() * 20 for index in range(me, me + 20)}
    store.write(items, used_at=me)
    assert store.read(list(items), used_at=me).keys() == items.keys()
store.close()
print("done")
"""


def test_write__several_processes_at_once_lose_and_mix_nothing(path: Path, journal: str, tmp_path: Path) -> None:
    arguments = [str(path), str(tmp_path / "mountinfo")]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, arguments[0], str(me), arguments[1]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in (1, 11, 21)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:  # all make the file at once
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=120)[0] for writer in writers] == ["done\n"] * 3
    with opened(path) as store:
        keys = [f"{batch}-{index}" for batch in range(15) for index in range(1, 41)]
        values = store.read(keys, used_at=1)
    assert sorted(values) == sorted(keys)
    for key, value in values.items():
        assert value in {f"{key} by {me}".encode() * 20 for me in (1, 11, 21)}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_write__a_locked_file_is_given_up_with_one_sentence(path: Path) -> None:
    fill(path, 1)
    said: list[str] = []
    store = opened(path, said)
    with locked(path):
        store.write({"a": b"1"}, used_at=1)
        store.write({"b": b"1"}, used_at=1)
        store.remove(["k0"])
    assert said == [f"no more answers are cached in this run: {path}: database is locked"]
    assert store.read(["k0"], used_at=1) == {}
    with opened(path) as store:
        assert store.read(["a", "b", "k0"], used_at=1).keys() == {"k0"}


@pytest.mark.parametrize("journal", ["write-ahead"], indirect=True)
def test_read__values_are_returned_although_their_use_cannot_be_noted(path: Path, journal: str) -> None:
    fill(path, 1)
    said: list[str] = []
    with opened(path, said) as store, locked(path):
        assert store.read(["k0"], used_at=2) == {"k0": b"v" * 1000}
    assert len(said) == 1


def test_open__a_locked_file_is_no_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_store, "_MOUNTS", path / "nowhere")
    fill(path, 1)
    with locked(path):
        assert refused(path) == f"no answers are cached: {path}: database is locked"


def test_open__an_empty_file_that_another_process_locks_is_no_store(path: Path) -> None:
    path.parent.mkdir()
    raw(path, "")
    with locked(path):
        assert "locked" in refused(path)


@pytest.mark.parametrize("kind", ["truncated", "text", "garbled header"])
def test_open__a_damaged_file_is_set_aside_once(path: Path, kind: str) -> None:
    def damage() -> bytes:
        fill(path, 200)
        content = path.read_bytes()
        bad = {
            "truncated": content[: len(content) // 2],
            "text": b"these are no answers\n" * 500,
            "garbled header": content[:16] + b"\xff" * 84 + content[100:],
        }[kind]
        path.write_bytes(bad)
        return bad

    bad, said = damage(), list[str]()
    aside = path.with_name(f"{path.name}.damaged")
    with opened(path, said) as store:
        store.write({"a": b"1"}, used_at=1)
        assert store.read(["a", "k0"], used_at=1) == {"a": b"1"}
    assert len(said) == 1
    assert aside.name in said[0]
    assert aside.read_bytes() == bad
    bad = damage()
    assert "delete both" in refused(path)
    assert path.read_bytes() == bad
    aside.unlink()
    with opened(path) as store:
        assert store.read(["a"], used_at=1) == {}


def test_read__damage_found_on_the_way_ends_the_store_and_the_next_one_is_fresh(path: Path) -> None:
    fill(path, 300)
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xa5" * (len(content) - 3 * 4096)
    path.write_bytes(content)
    said: list[str] = []
    store = opened(path, said)
    found = store.read([f"k{index}" for index in range(300)], used_at=2)
    assert set(found.values()) <= {b"v" * 1000}
    assert len(said) == 2
    assert "malformed" in said[0]
    assert ".damaged" in said[1]
    with opened(path) as store:
        store.write({"k0": b"new"}, used_at=1)
        assert store.read(["k0"], used_at=1) == {"k0": b"new"}


def test_write__damage_cannot_be_set_aside_twice_and_nothing_is_raised(path: Path) -> None:
    fill(path, 300)
    path.with_name(f"{path.name}.damaged").touch()
    content = path.read_bytes()
    path.write_bytes(content[: 3 * 4096] + b"\xa5" * (len(content) - 3 * 4096))
    said: list[str] = []
    with opened(path, said) as store:
        store.write({f"new{index}": b"v" for index in range(100)}, used_at=1)
    assert len(said) == 1


@pytest.mark.parametrize(
    "script",
    [
        "PRAGMA user_version = 2",
        "PRAGMA user_version = 0",
        "ALTER TABLE answers ADD COLUMN more",
        "CREATE TRIGGER t AFTER UPDATE ON answers BEGIN DELETE FROM answers; END",
        "ALTER TABLE answers RENAME TO a; CREATE VIEW answers AS SELECT * FROM a",
    ],
)
def test_open__a_file_of_another_shape_is_left_alone(path: Path, script: str) -> None:
    fill(path, 1)
    raw(path, script)
    before = path.read_bytes()
    assert "made by another program, or by another version" in refused(path)
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name]


def test_open__a_folder_a_pipe_or_an_impossible_path_is_no_store(path: Path, tmp_path: Path) -> None:
    path.mkdir(parents=True)
    assert "not a regular file" in refused(path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "no answers are cached" in refused(tmp_path / "nul\0byte" / "file")
    (tmp_path / "file").touch()
    assert "Not a directory" in refused(tmp_path / "file" / "folder" / "answers")


def test_open__an_empty_file_becomes_a_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    fill(path, 1)
    with opened(path) as store:
        assert store.read(["k0"], used_at=1) == {"k0": b"v" * 1000}


def test_open__without_anybody_to_tell(tmp_path: Path) -> None:
    assert AnswerStore.open(tmp_path) is None


LIMITED = """
import os, resource, sys
from pathlib import Path
from gate.transport.answer_store import AnswerStore

folder, what, user = sys.argv[1:]
os.chdir(folder)
if what == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
elif os.geteuid() == 0:
    os.setuid(int(user))  # nothing is read-only for root
store = AnswerStore.open(Path(folder, "answers"), report=print)
print(store is None)
if store is not None:
    print(store.read(["k0"], used_at=2))
    store.write({"a": b"1"}, used_at=2)
"""


def limited(folder: Path, what: str) -> list[str]:
    command = [sys.executable, "-c", LIMITED, str(folder), what, str(NOBODY)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_open__a_read_only_folder_is_no_store(public_folder: Path) -> None:
    public_folder.chmod(0o555)
    sentence, is_none = limited(public_folder, "read-only")
    assert is_none == "True"
    assert "unable to open database file" in sentence


def test_read__a_read_only_file_can_still_be_read(public_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_store, "_MOUNTS", public_folder / "nowhere")
    fill(public_folder / "answers", 1, value=b"v")
    (public_folder / "answers").chmod(0o444)
    public_folder.chmod(0o555)
    is_none, sentence, values = limited(public_folder, "read-only")
    assert is_none == "False"
    assert "readonly database" in sentence
    assert values == "{'k0': b'v'}"


def test_open__a_full_disk_is_no_store(tmp_path: Path) -> None:
    sentence, is_none = limited(tmp_path, "full")
    assert is_none == "True"
    assert "no answers are cached" in sentence


def test_write__a_full_disk_ends_the_store_and_keeps_what_was_there(path: Path) -> None:
    fill(path, 5)
    said: list[str] = []
    store = opened(path, said)
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size
    store.write({f"new{index}": b"v" * 5000 for index in range(100)}, used_at=1)
    assert said == [f"no more answers are cached in this run: {path}: database or disk is full"]
    assert store.read(["k0"], used_at=1) == {}
    with opened(path) as store:
        assert store.read(["k0", "new0"], used_at=1).keys() == {"k0"}


def test_read__only_bytes_of_bounded_length_come_out(path: Path) -> None:
    fill(path, 1)
    rows = [
        ("text", "abc", 1),
        ("number", 7, 1),
        ("huge", bytes(LARGEST_VALUE_BYTES + 1), 1),
        ("odd time", b"1", "yesterday"),
        (b"k0\xff", b"2", 1),
        ("k'); DROP TABLE answers", b"3", 1),
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
    with opened(path) as store:
        keys = ["text", "number", "huge", "odd time", "k0", "k'); DROP TABLE answers", "k0\0", "%"]
        assert store.read(keys, used_at=2) == {"odd time": b"1", "k0": b"v" * 1000, "k'); DROP TABLE answers": b"3"}
        store.trim(0)
        assert store.read(keys, used_at=2) == {}
