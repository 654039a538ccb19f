"""YAML text to plain values, remembering where each one stood.

Knows YAML and nothing of what the values mean. Safe by construction: only mappings, lists, text, numbers, booleans
and null come out; what an alias unfolds to is counted, so that a small file cannot become a huge one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from gate.errors import ConfigError

_MAX_BYTES = 1_048_576
_MAX_NODES = 50_000
_MAX_DEPTH = 40

Scalar = str | int | float | bool | None
Value = Scalar | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_NUMBERS = _TAGS[2:]
_LONGEST_NUMBER = 100
"""Characters. Python cannot show an integer of some thousand digits, nor make a fraction of one of some hundred."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the file; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """A parsed file."""

    name: str
    """How messages call the file."""
    value: Value = None
    keys: dict[Path, Position] = field(default_factory=dict)
    """Where the key of each value stands."""
    values: dict[Path, Position] = field(default_factory=dict)
    """Where each value begins."""

    def at(self, path: Path, *, key: bool = False) -> str:
        """Write the place of a value, or of its key, or of the nearest thing around it: `gate.yaml:4:7`."""
        places = self.keys if key else self.values
        while path and path not in places:
            path = path[:-1]
        place = places.get(path) or self.values.get(path)
        return f"{self.name}:{place.line}:{place.column}" if place else self.name

    @property
    def lines(self) -> dict[Path, int]:
        """Where each value is introduced: the line of its key, or of the value itself in a list. Counts from 1."""
        return {path: place.line for path, place in (self.values | self.keys).items()}


def parse(data: bytes, name: str) -> Document:
    """Parse YAML.

    Args:
        data: The file's bytes; UTF-8, with or without a byte order mark.
        name: How messages call the file.

    Raises:
        ConfigError: If it is not UTF-8, not YAML, too large, too deep, or has a key twice.
    """
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{name}: {len(data):,} bytes are too many for a configuration (at most {_MAX_BYTES:,})")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: not UTF-8 text", fix="Save the file as UTF-8.") from None
    document = Document(name)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            document.value = _Reader(document).read(root, ())
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{where}: not valid YAML: {problem.problem or problem.context}") from None
    except yaml.YAMLError as problem:
        raise ConfigError(f"{name}: not valid YAML: {str(problem).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    return document


class _Reader:
    """Turns nodes into values, noting their places and counting what aliases unfold to."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path) -> Value:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise self._error(
                node, f"too much: over {_MAX_NODES:,} values or over {_MAX_DEPTH} levels (an alias loop?)"
            )
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise self._error(node, f"the tag {node.tag!r:.60} is not allowed")
        self._document.values.setdefault(path, _place(node))
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for key, child in self._items(node):
            if key.value in result:
                raise self._error(key, f"the key {key.value!r} stands here twice")
            self._document.keys[(*path, key.value)] = _place(key)
            result[key.value] = self.read(child, (*path, key.value))
        return result

    def _items(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be plain text")
            self._refuse_no_text(key)
            if key.tag == "tag:yaml.org,2002:merge":
                raise self._error(key, "merge keys (<<) are not supported: write the values out")
            yield key, child

    def _scalar(self, node: yaml.Node) -> Scalar:
        self._refuse_no_text(node)
        if node.tag not in _TAGS:
            if node.tag.startswith("tag:yaml.org,2002:") and node.tag.rpartition(":")[2] in ("str", "timestamp"):
                return str(node.value)  # a date stays text: whoever wants a date parses it
            raise self._error(node, f"the tag {node.tag!r:.60} is not allowed")
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise self._error(node, f"a number of {len(node.value):,} characters is out of range")
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError):  # PyYAML looks booleans up in a table
            raise self._error(node, f"cannot read {node.value!r:.60}") from None
        if isinstance(value, float) and value - value != 0:
            raise self._error(node, "not a finite number")
        return value if isinstance(value, bool | int | float) else None

    def _refuse_no_text(self, node: yaml.Node) -> None:
        """Refuse half a character, which an escape can make and nothing can store or show."""
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            raise self._error(node, "half of a surrogate pair is no text")

    def _error(self, node: yaml.Node, problem: str) -> ConfigError:
        place = _place(node)
        return ConfigError(f"{self._document.name}:{place.line}:{place.column}: {problem}")


def _place(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
