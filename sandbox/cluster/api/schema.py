"""What Kubernetes v1.33 says about the fields of its kinds: types, merge keys, descriptions.

The data is made at set-up by `python -m sandbox.cluster.api.build_schema`. It stays compressed in memory, one piece a
definition; only the last few definitions that were asked for are unpacked.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from sandbox.cluster.api.objects import Object

FILE = Path(__file__).with_name("schema.json.gz")
"""What `build_schema` writes: the length of the index, the index, then the pieces, all compressed with zlib."""

INT_OR_STRING = "int-or-string"
QUANTITY = "quantity"


class SchemaMissing(Exception):
    """Set-up has not made the data yet."""


class _Data:
    """The file: pieces by name."""

    def __init__(self, content: bytes) -> None:
        length = int.from_bytes(content[:4], "big")
        index = json.loads(zlib.decompress(content[4 : 4 + length]))
        self._content = content
        self._start = 4 + length
        self._places: dict[str, list[int]] = index["places"]
        self.kinds: dict[str, str] = index["kinds"]

    def piece(self, name: str) -> Object:
        """An unpacked piece. Raises KeyError."""
        offset, length = self._places[name]
        start = self._start + offset
        found: Object = json.loads(zlib.decompress(self._content[start : start + length]))
        return found


@lru_cache(maxsize=1)
def _data() -> _Data:
    try:
        return _Data(FILE.read_bytes())
    except FileNotFoundError as error:
        why = "The schema of Kubernetes' kinds is missing: run `python -m sandbox.cluster.api.build_schema`."
        raise SchemaMissing(why) from error


def preload() -> None:
    """Read the file now: a process that is about to lose sight of it calls this. Raises SchemaMissing."""
    _data()


@lru_cache(maxsize=96)
def _fields(name: str) -> Object:
    return _data().piece(name)


@lru_cache(maxsize=2)
def _descriptions(name: str) -> dict[str, str]:
    return _data().piece(f"{name}#")


class Node:
    """One place in an object: a field, a list's item, a map's value, or the object itself."""

    __slots__ = ("_at", "definition")

    def __init__(self, at: Object) -> None:
        self._at = at
        self.definition: str = at.get("r", "")
        """The definition that this place is an instance of (`io.k8s.api.core.v1.Container`), or empty."""

    def _definition(self) -> Object:
        return _fields(self.definition) if self.definition else self._at

    @property
    def type(self) -> str:
        """string, integer, number, boolean, array, object, int-or-string, quantity, or empty for anything at all."""
        return str(self._definition().get("t", ""))

    @property
    def format(self) -> str:
        """int32, int64, double, byte, date-time, or empty."""
        return str(self._at.get("f") or self._definition().get("f", ""))

    @property
    def patch_strategy(self) -> str:
        """`merge`, `replace`, `retainKeys`, `merge,retainKeys` or empty."""
        return str(self._at.get("s", ""))

    @property
    def merge_key(self) -> str:
        """The key that tells a list's objects apart in a strategic merge; empty for lists of plain values."""
        return str(self._at.get("k", ""))

    @property
    def list_type(self) -> str:
        """`atomic`, `set`, `map` or empty."""
        return str(self._at.get("l", ""))

    @property
    def map_keys(self) -> tuple[str, ...]:
        """The keys that tell a list's objects apart in a server-side apply."""
        return tuple(self._at.get("m", ()))

    @property
    def map_type(self) -> str:
        """`atomic` for an object that is replaced as a whole."""
        return str(self._at.get("a", "") or self._definition().get("a", ""))

    @property
    def enum(self) -> tuple[str, ...]:
        """The only values allowed; empty for any."""
        return tuple(self._at.get("e", ()))

    @property
    def required(self) -> tuple[str, ...]:
        """Names of fields that must be there."""
        return tuple(self._definition().get("q", ()))

    def names(self) -> Iterator[str]:
        """The fields of an object with known fields."""
        yield from self._definition().get("p", ())

    @property
    def structured(self) -> bool:
        """Whether it is an object whose fields are known."""
        return "p" in self._definition()

    def field(self, name: str) -> Node | None:
        """A field of an object, or a value of a map; None when there is no such field."""
        definition = self._definition()
        found = definition.get("p", {}).get(name) or definition.get("v")
        return Node(found) if found else None

    def values(self) -> Node | None:
        """What a map's values are; None when it is no map."""
        found = self._definition().get("v")
        return Node(found) if found else None

    def items(self) -> Node | None:
        """What a list's items are; None when it is no list."""
        found = self._definition().get("i")
        return Node(found) if found else None

    def described(self) -> dict[str, str]:
        """Descriptions of the definition's fields; its own under the empty name."""
        return _descriptions(self.definition) if self.definition else {}


def kind(group: str, version: str, name: str) -> Node | None:
    """The schema of a kind, or None when Kubernetes has no such kind. Raises SchemaMissing."""
    definition = _data().kinds.get(f"{group}/{version}/{name}")
    return Node({"r": definition}) if definition else None


def definition(name: str) -> Node:
    """A definition by its full name. Raises KeyError, SchemaMissing."""
    _fields(name)
    return Node({"r": name})


def kinds_of(name: str) -> list[tuple[str, str, str]]:
    """Group, version and kind of the kinds that a definition defines."""
    found = _fields(name).get("g", ())
    return [(str(group), str(version), str(kind_name)) for group, version, kind_name in found]


def merge_key(group: str, version: str, name: str, path: tuple[str, ...]) -> str:
    """The key by which a strategic merge tells the items of the list at `path` apart; empty when it replaces them."""
    at = kind(group, version, name)
    for step in path:
        at = at and (at.items() or at)
        at = at.field(step) if at else None
    return at.merge_key if at else ""


def go_type(node: Node) -> str:
    """The type as Go names it in messages: `int32`, `[]v1.Container`, `map[string]string`."""
    if node.type == "array":
        items = node.items()
        return f"[]{go_type(items)}" if items else "[]interface {}"
    if node.definition:
        *_, version, short = node.definition.split(".")
        return f"{version}.{short}"
    if node.type == "object":
        values = node.values()
        return f"map[string]{go_type(values)}" if values else "map[string]interface {}"
    plain = {"integer": node.format or "int64", "boolean": "bool", "number": "float64", "string": "string"}
    return "[]uint8" if node.format == "byte" else plain.get(node.type, node.type)
