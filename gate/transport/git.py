"""What git knows of a folder, and what a commit holds, read without checking anything out.

Nothing here runs a hook, a filter or a monitor, asks for a password, follows a replacement or fetches: whoever wrote
the commit decides what is read, never what is run. This module must not know what the files mean.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from gate.errors import BrokenRun, UsageError
from gate.transport.commit_id import is_full_id

_QUERY_SECONDS = 30
_COPY_SECONDS = 600
_LONGEST_REF_CHARS = 250

SETTINGS = (
    "--no-pager",
    "--no-replace-objects",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.warnAmbiguousRefs=true",
    # A commit can hold a folder that looks like a repository; its configuration could name programs to run.
    "-c", "safe.bareRepository=explicit",
)  # fmt: skip
"""Before every command of git."""
_ENVIRONMENT: Mapping[str, str] = {
    "LC_ALL": "C",  # what git complains of is read below
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",  # known to git 2.44 and later; before that, a fetch fails for want of a protocol
    "GIT_ALLOW_PROTOCOL": "",
}
_MISLEADING = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE",
})  # fmt: skip
"""Set inside a hook, they would make git look at another repository than the folder's."""

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{4,64}")
_NO_FETCH = (b"promisor remote", b"lazy fetching disabled")

Kind = Literal["file", "folder", "link", "submodule", "other"]
_KINDS: Mapping[str, Kind] = {
    "100644": "file", "100755": "file", "040000": "folder", "120000": "link", "160000": "submodule",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a commit's folder holds under one name."""

    name: str
    """Any characters but NUL and `/`; bytes that are not UTF-8 as surrogates (`os.fsdecode`)."""
    kind: Kind
    object_id: str
    size: int | None
    """In bytes; None unless it is a file or a link."""


def head_commit(folder: Path) -> str | None:
    """The commit that is checked out around a folder; None outside a repository, or without git."""
    try:
        answer = _git(folder, "rev-parse", "--verify", "HEAD")
    except (UsageError, BrokenRun):
        return None
    return answer.stdout.decode("ascii", "replace").strip() or None if answer.returncode == 0 else None


def resolve_commit(folder: Path, ref: str) -> str:
    """Find the commit that a tag, a branch or an id stands for.

    Args:
        folder: Inside the repository.
        ref: As a person wrote it; anything that git could take for an option or a search is refused.

    Returns:
        The full id, in lower-case hexadecimal.

    Raises:
        UsageError: There is no git or no repository, or the ref is unknown, ambiguous or malformed.
        BrokenRun: Git did not answer in time.
    """
    repository_path(folder)
    _check_ref(ref)
    answer = _git(folder, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    # Of a full id git only says that a branch has that name too; the id wins.
    if b"is ambiguous" in answer.stderr and not is_full_id(ref):
        raise UsageError(
            f"{ref!r} is ambiguous: more than one tag, branch or commit has that name.",
            fix=f"Write `refs/tags/{ref}` or `refs/heads/{ref}`, or the full commit id.",
        )
    commit = answer.stdout.decode("ascii", "replace").strip()
    if answer.returncode != 0 or not is_full_id(commit):
        raise UsageError(f"{ref!r} is no commit, tag or branch of the repository at {folder}.", fix=_hint(folder, ref))
    return commit


def repository_path(folder: Path) -> str:
    """The path of a folder from the top of its repository, with `/` at the end; empty at the top.

    Raises:
        UsageError: There is no git, or the folder is in no checked-out repository.
        BrokenRun: Git did not answer in time.
    """
    answer = _git(folder, "rev-parse", "--show-prefix")
    if answer.returncode == 0:
        return os.fsdecode(answer.stdout.removesuffix(b"\n"))
    if b"dubious ownership" in answer.stderr:
        raise UsageError(
            f"git refuses to read the repository at {folder}, because it belongs to another user.",
            fix=f"If you trust it: git config --global --add safe.directory {shlex.quote(str(folder.resolve()))}",
        )
    raise UsageError(
        f"{folder} is in no git repository, so nothing can be read from a commit.", fix=_first_line(answer)
    )


def entry_at(folder: Path, commit: str, path: str) -> Entry | None:
    """What a commit holds at a path.

    Args:
        folder: Inside the repository.
        commit: A full id, as `resolve_commit` returns it.
        path: From the top of the repository, without `.`, `..` and empty parts.

    Returns:
        None if there is nothing. A link is not followed, neither here nor on the way.

    Raises:
        UsageError: As `list_folder`.
        BrokenRun: Git did not answer in time.
    """
    parent, _, name = path.rpartition("/")
    found = list_folder(folder, commit, parent)
    return next((entry for entry in found or () if entry.name == name), None)


def list_folder(folder: Path, commit: str, path: str) -> tuple[Entry, ...] | None:
    """What a commit's folder holds, without what is in its sub-folders.

    Args:
        folder: Inside the repository.
        commit: A full id, as `resolve_commit` returns it.
        path: From the top of the repository, without `.`, `..` and empty parts; empty for the top.

    Returns:
        None if there is no folder at that path.

    Raises:
        UsageError: The clone lacks the commit's files.
        BrokenRun: Git did not answer in time, or its answer is not understood.
    """
    tree = f"{commit}:{path}"
    if _git(folder, "cat-file", "-t", tree).stdout != b"tree\n":  # a submodule's is `commit`
        return None
    # Without --full-tree, git would list what lies below the current folder's name in the other tree.
    answer = _good(_git(folder, "ls-tree", "-z", "-l", "--full-tree", tree), f"the folder {path!r} of commit {commit}")
    return tuple(_entry(record) for record in answer.split(b"\0") if record)


def all_files(folder: Path, commit: str) -> tuple[str, ...]:
    """The paths of all that a commit holds, from the top of the repository.

    Raises:
        UsageError: The clone lacks the commit's folders.
        BrokenRun: Git did not answer in time.
    """
    answer = _good(_git(folder, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit), f"commit {commit}")
    return tuple(os.fsdecode(name) for name in answer.split(b"\0") if name)


def read_file(folder: Path, entry: Entry) -> bytes:
    """Read a file that is known to be small, as it was committed: a git-LFS pointer stays a pointer.

    Raises:
        UsageError: The clone lacks the file.
        BrokenRun: Git could not read it.
    """
    return _good(_git(folder, "cat-file", "blob", entry.object_id), f"{entry.name!r}")


def copy_file(folder: Path, entry: Entry, target: BinaryIO) -> None:
    """Write a file of any size into an open one, as it was committed.

    Args:
        folder: Inside the repository.
        entry: A file.
        target: A real file; git writes into it where it stands.

    Raises:
        UsageError: The clone lacks the file.
        BrokenRun: Git could not read it, or the disk is full.
    """
    answer = _git(folder, "cat-file", "blob", entry.object_id, target=target, timeout_seconds=_COPY_SECONDS)
    _good(answer, f"{entry.name!r}", fix="Is the disk full? If not, try `git fsck`.")


def ask(folder: Path, *arguments: str) -> str | None:
    """The answer to a question about the repository; None if git says no.

    Raises:
        UsageError: There is no git.
        BrokenRun: Git did not answer in time.
    """
    answer = _git(folder, *arguments)
    return os.fsdecode(answer.stdout.removesuffix(b"\n")) if answer.returncode == 0 else None


def clean_environment() -> dict[str, str]:
    """The environment of this process, without what would make git look at another repository."""
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}


def _git(
    folder: Path, *arguments: str, target: BinaryIO | None = None, timeout_seconds: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    timeout_seconds = timeout_seconds or _QUERY_SECONDS
    try:
        answer = subprocess.run(  # noqa: S603 - no shell, and no argument that git could take for an option
            ["git", *SETTINGS, "-C", str(folder), *arguments],  # noqa: S607 - git is wherever PATH says
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if target is None else target,
            stderr=subprocess.PIPE,
            env={**clean_environment(), **_ENVIRONMENT},
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed, so nothing can be read from a commit.") from None
    except subprocess.TimeoutExpired:
        raise BrokenRun(f"git did not answer within {timeout_seconds:,.0f} s in {folder}.") from None
    except ValueError:  # a NUL byte, or half of a surrogate pair
        raise UsageError("a path or ref holds characters that git cannot be asked for.") from None
    except OSError as problem:
        raise UsageError(f"git cannot be run: {problem.strerror or problem}.") from None
    if answer.returncode != 0 and any(sign in answer.stderr for sign in _NO_FETCH):
        raise UsageError(
            f"the clone at {folder} is partial and lacks what the commit holds; nothing is fetched on the way.",
            fix="Run `git fetch --refetch --no-filter origin`, or clone without --filter.",
        )
    return answer


def _good(answer: subprocess.CompletedProcess[bytes], what: str, *, fix: str = "Try `git fsck`.") -> bytes:
    if answer.returncode != 0:
        raise BrokenRun(f"git cannot read {what}: {_first_line(answer)}", fix=fix)
    return answer.stdout or b""


def _first_line(answer: subprocess.CompletedProcess[bytes]) -> str:
    said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"git says: {said[-1]!r:.300}" if said else f"git ends with {answer.returncode}."


def _check_ref(ref: str) -> None:
    if not ref or len(ref) > _LONGEST_REF_CHARS or not ref.isprintable() or any(char.isspace() for char in ref):
        reason = f"it must have 1 to {_LONGEST_REF_CHARS} printable characters and no space"
    elif ref.startswith("-"):
        reason = "it begins with '-', as an option does"
    elif ":" in ref or "^{" in ref or ".." in ref:
        reason = "':', '..' and '^{' are not accepted; name one commit, tag or branch"
    else:
        return
    raise UsageError(f"{ref!r:.80} is no ref: {reason}.")


def _hint(folder: Path, ref: str) -> str:
    there = _git(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/remotes/origin/{ref}^{{commit}}"
    )
    if there.returncode == 0:
        return f"There is a branch of that name at the remote: write `origin/{ref}`."
    if _git(folder, "rev-parse", "--is-shallow-repository").stdout.strip() != b"true":
        return "Run `git fetch --tags origin` if it was made elsewhere."
    name = shlex.quote(ref)
    if _HEXADECIMAL.fullmatch(ref):
        return f"The clone is shallow: run `git fetch --depth 1 origin {ref}` with the full commit id."
    return f"The clone is shallow: run `git fetch --depth 1 origin tag {name}` (a branch: `{name}:{name}`)."


def _entry(record: bytes) -> Entry:
    facts, tab, name = record.partition(b"\t")
    match facts.decode("ascii", "replace").split():
        case [mode, _, object_id, size] if tab and (size.isdigit() or size == "-"):
            return Entry(
                name=os.fsdecode(name),
                kind=_KINDS.get(mode, "other"),
                object_id=object_id,
                size=int(size) if size.isdigit() else None,
            )
        case _:
            raise BrokenRun(f"git lists a folder in a form that is not understood: {record!r:.200}")
