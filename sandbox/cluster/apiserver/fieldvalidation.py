"""Whether a body fits the schema of its kind.

Wrong types are refused; unknown fields are dropped, warned of or refused. Afterwards an object is what Kubernetes' own
decoder would have made of it: no unknown fields, no nulls, quantities as text.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sandbox.cluster.api import quantity, schema
from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Resource

MODES = ("Ignore", "Warn", "Strict")
_RANGES = {"int32": 1 << 31, "int64": 1 << 63}
_ZERO: dict[str, Any] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    schema.QUANTITY: "0",
    schema.INT_OR_STRING: 0,
}


class _Repeating(dict[str, Any]):
    """An object of a body in which fields were given more than once."""

    repeated: Sequence[str] = ()


def fields(pairs: list[tuple[str, Any]]) -> Object:
    """An object of a body, for `json.loads(…, object_pairs_hook=fields)`: it remembers what was given twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeating = _Repeating(found)
    counts = Counter(name for name, _ in pairs)
    repeating.repeated = [name for name, count in counts.items() if count > 1]
    return repeating


class _WrongType(Exception):
    """What Go's decoder says of a value that does not fit."""


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float):
        return f"number {value}"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


class _Fitting:
    """Fits one object into its schema, in place, and remembers the fields that are unknown or given twice."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def fit(self, value: Any, node: schema.Node, place: _Place) -> Any:
        """The value as it is stored. Raises _WrongType."""
        kind = node.type
        if kind == "object":
            return self._object(value, node, place)
        if kind == "array":
            return self._list(value, node, place)
        if not kind:
            return value
        if value is None:
            return _ZERO[kind]
        return _scalar(value, kind, node, place)

    def _object(self, value: Any, node: schema.Node, place: _Place) -> Any:
        values = node.values()
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise place.wrong(value, node)
        if node.structured:
            return self._fields(value, node, place)
        if values is not None:
            for key in value:
                value[key] = self.fit(value[key], values, place.key(key))
        return value

    def _fields(self, value: Object, node: schema.Node, place: _Place) -> Object:
        owner = node.definition.rpartition(".")[2]
        if isinstance(value, _Repeating):
            self.complaints += [f'duplicate field "{place.field(name, owner).path}"' for name in value.repeated]
        for name in list(value):
            field = node.field(name)
            below = place.field(name, owner)
            if field is None:
                self.complaints.append(f'unknown field "{below.path}"')
                del value[name]
            elif value[name] is None:
                del value[name]
            else:
                value[name] = self.fit(value[name], field, below)
        return value

    def _list(self, value: Any, node: schema.Node, place: _Place) -> Any:
        if not isinstance(value, list):
            raise place.wrong(value, node)
        items = node.items()
        if items is not None:
            for index, item in enumerate(value):
                value[index] = self.fit(item, items, place.item(index))
        return value


class _Place:
    """Where a value stands: for people (`spec.ports[0].port`) and for Go (`ServicePort.spec.ports.port`)."""

    __slots__ = ("_fields", "_owner", "path")

    def __init__(self, path: str = "", fields: str = "", owner: str = "") -> None:
        self.path = path
        self._fields = fields
        self._owner = owner

    def field(self, name: str, owner: str) -> _Place:
        """A field of this object."""
        dot = "." if self.path else ""
        return _Place(f"{self.path}{dot}{name}", f"{self._fields}.{name}", owner)

    def key(self, name: str) -> _Place:
        """A value of this map."""
        return _Place(f"{self.path}.{name}", self._fields, self._owner)

    def item(self, index: int) -> _Place:
        """An item of this list."""
        return _Place(f"{self.path}[{index}]", self._fields, self._owner)

    def wrong(self, value: object, node: schema.Node) -> _WrongType:
        """The complaint about a value of the wrong type."""
        target = f"struct field {self._owner}{self._fields}" if self._fields else "value"
        return _WrongType(f"json: cannot unmarshal {_json_type(value)} into Go {target} of type {schema.go_type(node)}")


def _scalar(value: Any, kind: str, node: schema.Node, place: _Place) -> Any:
    if kind == schema.QUANTITY:
        return _amount(value, place, node)
    if kind == schema.INT_OR_STRING:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise place.wrong(value, node)
        return value
    if kind == "string":
        return _string(value, node, place)
    if kind == "boolean":
        if not isinstance(value, bool):
            raise place.wrong(value, node)
        return value
    return _number(value, kind, node, place)


def _number(value: Any, kind: str, node: schema.Node, place: _Place) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.wrong(value, node)
    if kind == "number":
        return value
    if isinstance(value, float) and not value.is_integer():
        raise place.wrong(value, node)
    limit = _RANGES.get(node.format, 1 << 63)
    if not -limit <= value < limit:
        raise _WrongType(str(place.wrong(value, node)).replace(" number", f" number {value}", 1))
    return int(value)


def _string(value: Any, node: schema.Node, place: _Place) -> str:
    if not isinstance(value, str):
        raise place.wrong(value, node)
    if node.format == "byte":
        _base64(value)
    elif node.format == "date-time" and value:
        _time(value)
    return value


def _amount(value: Any, place: _Place, node: schema.Node) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise place.wrong(value, node)
    try:
        quantity.parse(value)
    except quantity.QuantityError as error:
        raise _WrongType(str(error)) from error
    return quantity.canonical(value)


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _base64(text: str) -> None:
    bare = text.replace("\n", "").replace("\r", "")
    body = bare.rstrip("=")
    bad = next((at for at, letter in enumerate(body) if letter not in _ALPHABET), None)
    if bad is not None:
        raise _WrongType(f"illegal base64 data at input byte {bad}")
    try:
        base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError) as error:
        # Go names the start of the last group, which is not whole.
        raise _WrongType(f"illegal base64 data at input byte {len(body) // 4 * 4}") from error


def _time(text: str) -> None:
    try:
        parse_time(text)
    except ValueError as error:
        layout = "2006-01-02T15:04:05Z07:00"
        raise _WrongType(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from error


def check(resource: Resource, obj: Object, mode: str) -> Sequence[str]:
    """Fit a body into the schema of its kind, in place; the warnings that `mode` Warn gives.

    Raises BadRequest for wrong types, and in mode Strict for unknown fields and those given twice.
    A kind that Kubernetes has no schema of (a custom one) is left as it is.
    """
    if mode not in MODES:
        raise BadRequest(f'fieldValidation: Unsupported value: "{mode}": supported values: "Ignore", "Strict", "Warn"')
    node = schema.kind(resource.group, resource.version, resource.kind)
    if node is None:
        return ()
    fitting = _Fitting()
    try:
        fitting.fit(obj, node, _Place())
    except _WrongType as error:
        raise BadRequest(f"{_cannot(resource)}: {error}") from error
    messages = fitting.complaints
    if messages and mode == "Strict":
        raise BadRequest(f"{_cannot(resource)}: strict decoding error: {', '.join(messages)}")
    return messages if mode == "Warn" else ()


def _cannot(resource: Resource) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
