"""Git-LFS: what a pointer says, where objects lie, and how absent ones are fetched.

Where objects come from is decided by the clone, never by a commit: its `.lfsconfig` is overruled. Must not know what
the files mean, or how large they may be.
"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gate.errors import BrokenRun, UsageError
from gate.transport.git import SETTINGS, ask, clean_environment

LARGEST_POINTER_BYTES = 1024

_FETCH_SECONDS = 3_600
_MARK = b"version https://git-lfs.github.com/spec/v1"
_POINTER = re.compile(re.escape(_MARK) + rb"\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,14})\n")
_PATTERN_SIGNS = frozenset("*?[]\\,!#")
_ABSENT_THERE = re.compile(r"404|does not exist|not found|no such file|missing", re.IGNORECASE)
_HTTP = ("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What stands in a commit for a file that git-LFS keeps."""

    sha256: str
    """Hexadecimal, lower case."""
    size: int
    """In bytes."""


def is_pointer(content: bytes) -> bool:
    """Whether it begins as a pointer does."""
    return content.startswith(_MARK)


def read_pointer(content: bytes) -> Pointer | None:
    """Understand a pointer; None if it is none, to the letter."""
    found = _POINTER.fullmatch(content)
    return Pointer(sha256=found[1].decode("ascii"), size=int(found[2])) if found else None


def lfs_folder(folder: Path) -> Path:
    """Where the repository keeps git-LFS objects: `lfs` in its git folder, or what `lfs.storage` names.

    Raises:
        UsageError: There is no git.
        BrokenRun: Git did not answer in time.
    """
    common = ask(folder, "rev-parse", "--git-common-dir")
    if common is None:
        raise BrokenRun(f"git cannot read the repository at {folder}", fix="Try `git fsck`.")
    configured = ask(folder, "config", "--type=path", "--get", "lfs.storage")
    return folder / common / (configured or "lfs")


def object_path(store: Path, sha256: str) -> Path:
    """Where an object lies in a store, if it is there."""
    return store / "objects" / sha256[:2] / sha256[2:4] / sha256


def fetch_objects(folder: Path, commit: str, path: str) -> None:
    """Fetch the object of one file of a commit into the local store. It is not verified here.

    Args:
        folder: Inside the repository.
        commit: A full id.
        path: From the top of the repository.

    Raises:
        UsageError: There is no git-lfs, no remote, or the remote does not have it.
        BrokenRun: The remote cannot be reached or is too slow.
    """
    advice = f"Run: git lfs fetch origin {commit} -I {shlex.quote(path)}"
    if _PATTERN_SIGNS & set(path):
        raise UsageError(f"{path}: git-lfs would take this name for a pattern", fix="Rename the file or folder.")
    remote, url = _trusted_source(folder)
    settings = (f"lfs.url={url}", "lfs.fetchinclude=", "lfs.fetchexclude=", "lfs.skipdownloaderrors=false")
    command = ["git", *SETTINGS, "-C", str(folder)]
    for setting in settings:
        command += ["-c", setting]
    code, said = _run([*command, "lfs", "fetch", remote, commit, "-I", path])
    if code == 0:
        return
    shown = _without_secrets(url)
    if "not a git command" in said:
        raise UsageError(
            f"{path} is in git LFS and not on this machine, and git-lfs is not installed",
            fix="Install it (apt-get install git-lfs), or bring the object here.",
        )
    reason = _last_line(said)
    if _ABSENT_THERE.search(said):
        raise UsageError(
            f"{path} is in git LFS, and {shown} does not have it: {reason}", fix="Run `git lfs push` where it was made."
        )
    raise BrokenRun(f"{path} is in git LFS and cannot be fetched from {shown}: {reason}", fix=advice)


def _trusted_source(folder: Path) -> tuple[str, str]:
    """The remote, and the address of its git-LFS server, from the clone's own settings."""
    remotes = (ask(folder, "remote") or "").splitlines()
    remote = "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else None
    if remote is None:
        raise UsageError(
            f"{folder}: git-LFS objects are not on this machine, and there is no remote called origin to fetch from",
            fix="Run `git remote add origin ...`, or copy the objects here.",
        )
    named = ask(folder, "config", "--get", "lfs.url") or ask(folder, "config", "--get", f"remote.{remote}.lfsurl")
    address = named or ask(folder, "ls-remote", "--get-url", remote)
    if not address:
        raise UsageError(f"the remote {remote!r} of {folder} has no address")
    return remote, address if named else _server_of(folder, address)


def _server_of(folder: Path, address: str) -> str:
    """The address of the git-LFS server that belongs to a repository, by the rule of git-lfs."""
    parts = urlsplit(address)
    if parts.scheme in _HTTP:
        bare = address.rstrip("/")
        return f"{bare}/info/lfs" if bare.endswith(".git") else f"{bare}.git/info/lfs"
    if parts.scheme or re.match(r"[^/]+:", address):  # ssh, with or without its scheme, and file
        return address
    top = ask(folder, "rev-parse", "--show-toplevel") or str(folder)
    return (Path(top) / address).resolve().as_uri()


def _run(command: list[str]) -> tuple[int, str]:
    """Run git-lfs, and leave nothing of it behind."""
    environment: Mapping[str, str] = clean_environment() | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and no argument that git could take for an option
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # git-lfs is git's child: a time limit must end both
        )
    except OSError as problem:
        raise UsageError(f"git cannot be run: {problem.strerror or problem}.") from None
    try:
        output, _ = process.communicate(timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise BrokenRun(f"git-lfs fetched nothing whole within {_FETCH_SECONDS:,} s.") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, output.decode("utf-8", "replace")


def _without_secrets(url: str) -> str:
    return re.sub(r"(?<=//)[^/@]*@", "", url)


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()] or lines
    return f"{_without_secrets(wrong[-1])!r:.300}" if wrong else "it says nothing"
