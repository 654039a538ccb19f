"""Reading `gate.yaml`: the file, the files it names that are part of the configuration, and errors for people.

Every problem of the file is reported at once, each with file, line, column and the nearest known key.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gate.config.positions import Document, Value, parse
from gate.config.positions import Path as Place
from gate.config.schema import GateConfig
from gate.config.suggest import Schema, did_you_mean, known_keys
from gate.errors import ConfigError
from gate.transport.git_lfs import is_pointer

_MAX_SCHEMA_BYTES = 1_048_576
_SHOWN_AT_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A valid configuration and where it lies."""

    config: GateConfig
    path: Path
    """Where it lies, or would lie if the commit that it was read from were checked out."""
    commit: str | None = None
    """The commit that it, and every file that it names, is read from; None: they are read as they lie there."""
    take: Callable[[str], Path] | None = field(default=None, repr=False, compare=False)
    """Brings a file that the configuration names out of that commit."""
    schemas: tuple[str, ...] = ()
    """The JSON schemas that were read along with it, as written."""
    warnings: tuple[str, ...] = ()
    """What a reader of the results must know of where it comes from."""
    lines: Mapping[Place, int] = field(default_factory=dict)
    """Path of keys and indices -> line of the file, from 1."""

    @property
    def folder(self) -> Path:
        """The folder that the configuration's paths are relative to; models and adapters are looked for from here."""
        return self.path.parent

    def resolve(self, written: str) -> Path:
        """The file that a path in the configuration means.

        Raises:
            ConfigError: The commit that the configuration was read from holds no such file, or it is in the home of a
                user that there is not.
        """
        return _beside(self.folder, written) if self.take is None else self.take(written)

    def holds(self, written: str) -> bool:
        """Whether there is a file at a path in the configuration."""
        try:
            return self.resolve(written).is_file()
        except ConfigError:
            return False

    def line(self, *place: str | int) -> int | None:
        """The line on which a key or a member of a list stands; None where it is not in the file."""
        return self.lines.get(place)


def load_config(path: Path) -> LoadedConfig:
    """Read and validate a configuration.

    Raises:
        ConfigError: With every problem found, one a line.
    """
    data = _read(path, "Name the configuration: gate run PATH/TO/gate.yaml.")
    return parse_config(data, path)


def parse_config(
    data: bytes, path: Path, *, commit: str | None = None, take: Callable[[str], Path] | None = None
) -> LoadedConfig:
    """Validate a configuration that has been read.

    Args:
        data: The file's content.
        path: As `LoadedConfig.path`.
        commit: As `LoadedConfig.commit`.
        take: As `LoadedConfig.take`.

    Raises:
        ConfigError: With every problem found, one a line.
    """
    if is_pointer(data):
        raise ConfigError(
            f"{path.name}: a git-LFS pointer, and not the configuration itself",
            fix="Fetch it with `git lfs pull`; for a configuration that is read from a commit, keep it out of git LFS.",
        )
    document = parse(data, path.name)
    if not isinstance(document.value, dict):
        found = "it is empty" if document.value is None else "found something else"
        raise ConfigError(f"{path.name}: a configuration is a mapping of keys such as `version` and `suites`; {found}")
    schemas: list[str] = []

    def read_json(written: str) -> object:
        schemas.append(written)
        try:
            return _read_json(_beside(path.parent, written) if take is None else take(written), written)
        except ConfigError as problem:
            raise ValueError(problem.message) from None

    try:
        config = GateConfig.model_validate(document.value, context={"read_json": read_json})
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        lines = list(dict.fromkeys(_describe(error, document) for error in errors))
        more = [f"and {len(lines) - _SHOWN_AT_MOST} more"] if len(lines) > _SHOWN_AT_MOST else []
        raise ConfigError("\n".join(lines[:_SHOWN_AT_MOST] + more)) from None
    return LoadedConfig(
        config=config,
        path=path,
        lines=document.lines,
        commit=commit,
        take=take,
        schemas=tuple(dict.fromkeys(schemas)),
    )


def json_schema() -> Schema:
    """The JSON Schema of `gate.yaml`, for editors."""
    return GateConfig.model_json_schema()


def _beside(folder: Path, written: str) -> Path:
    try:
        return folder / Path(written).expanduser()
    except RuntimeError:
        raise ConfigError(f"{written}: there is no such user", fix="Write the path out.") from None


def _read(path: Path, fix: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file", fix=fix) from None
    except IsADirectoryError:
        raise ConfigError(
            f"{path}: this is a folder", fix=f"Name the file, for example {path / 'gate.yaml'}."
        ) from None
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: cannot be read: {problem}") from None


def _read_json(path: Path, written: str) -> object:
    """Read a JSON file that the configuration names. ValueErrors become errors at the naming key."""
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MAX_SCHEMA_BYTES else b""
    except (OSError, ValueError) as problem:  # a ValueError: no file can have such a name
        why = problem.strerror if isinstance(problem, OSError) else problem
        raise ValueError(f"{written}: {why}") from None
    if size > _MAX_SCHEMA_BYTES:
        raise ValueError(f"{written}: larger than {_MAX_SCHEMA_BYTES:,} bytes")
    try:
        content: object = json.loads(data.decode("utf-8-sig"), parse_int=_integer)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{written}: not valid JSON: {problem}") from None
    return content


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python refuses thousands of digits, in words for programmers
        raise ValueError(f"a number of {len(digits):,} characters is out of range") from None


def _describe(error: ErrorDetails, document: Document) -> str:
    """One problem as `gate.yaml:4:7: suites.json.scorer.ignorecase: unknown key, did you mean 'ignore_case'?`."""
    location = error["loc"]
    if location[-1:] == ("[key]",):  # pydantic's way to say that the key itself is wrong
        path, _ = _locate(location[:-1], document.value)
        return f"{document.at(path, key=True)}: {'.'.join(str(part) for part in path)}: {_reason(error)}"
    path, missing = _locate(location, document.value)
    name = ".".join(str(part) for part in (*path, *missing)) or "the file"
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), sorted(known_keys(json_schema(), location[:-1])))
        return f"{document.at(path, key=True)}: {name}: unknown key{hint}"
    return f"{document.at(path)}: {name}: {_reason(error)}"


def _locate(location: tuple[int | str, ...], value: Value) -> tuple[tuple[int | str, ...], tuple[str, ...]]:
    """Split pydantic's location into the path that exists in the file and the rest that does not.

    Pydantic puts the kind of a union's member into its locations; that is no key of the file and is skipped.
    """
    path: list[int | str] = []
    for index, part in enumerate(location):
        match value, part:
            case dict(), str() if part in value:
                value = value[part]
            case list(), int() if part < len(value):
                value = value[part]
            case dict(), _ if index == len(location) - 1 and value.get("kind") != part:
                return tuple(path), (str(part),)
            case _:
                continue
        path.append(part)
    return tuple(path), ()


def _reason(error: ErrorDetails) -> str:
    given = error.get("input")
    match error["type"]:
        case "missing":
            return "this key is required"
        case "union_tag_not_found":
            return "needs a `kind`"
        case "union_tag_invalid":
            context = error["ctx"]
            known = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
            near = did_you_mean(str(context["tag"]), known)
            return f"unknown kind {context['tag']!r}{near}"
        case "string_type" if isinstance(given, bool | int | float):
            return f"expected text, found {str(given).lower()}; put it in quotes if text is meant"
        case "value_error":
            return error["msg"].removeprefix("Value error, ")
        case _:
            shown = f" (found {given!r:.60})" if isinstance(given, str | int | float | bool) or given is None else ""
            return f"{error['msg'][0].lower()}{error['msg'][1:]}{shown}"
