"""Kubernetes' protobuf bodies, read into the JSON objects that everything else speaks.

kubectl 1.32 and newer send every typed create this way and do not fall back to JSON. Answers are JSON.
The bytes are a learner's: whatever they are, the answer is an object or BadRequest.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.objects import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

_META = "~apis.meta.v1."
_META_KINDS = frozenset(
    ("CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "Status", "UpdateOptions")
)
_MAX_DEPTH = 32
_MAX_FIELDS = 200_000
_MAX_NANOS = 999_999_999


class _Field(NamedTuple):
    name: str
    type: str
    repeated: bool
    inline: bool
    optional: bool
    """Unset and zero are different things (a pointer in Kubernetes' own types)."""


class _Malformed(Exception):
    pass


def _load() -> dict[str, str]:
    text = Path(__file__).with_name("protobuf_fields.txt").read_text()
    lines = (line.partition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {message: fields for message, _, fields in lines}


# Read at import: inside a sandbox our own files are out of reach by the time the first request comes.
_MESSAGES = _load()


@lru_cache(maxsize=128)
def _fields(message: str) -> dict[int, _Field]:
    fields = {}
    for text in _MESSAGES[message].split():
        number, name, kind = text.split(":", 2)
        bare = kind.rstrip("*^?")
        flags = kind[len(bare) :]
        fields[int(number)] = _Field(name, bare, "*" in flags, "^" in flags, "?" in flags)
    return fields


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise _Malformed("proto: integer overflow")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


class _Reader:
    """Reads one body; counts what it makes, so that a small body cannot become a large object."""

    def __init__(self) -> None:
        self._left = _MAX_FIELDS

    def entries(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """(field number, value) of a message; a value is an integer or bytes."""
        at = 0
        while at < len(data):
            self._left -= 1
            if self._left < 0:
                raise _Malformed("too many fields")
            tag, at = _varint(data, at)
            wire = tag & 7
            value: int | memoryview
            if wire == 0:
                value, at = _varint(data, at)
            else:
                size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
                if size < 0:
                    raise _Malformed(f"proto: wrong wireType = {wire}")
                if size > len(data) - at:
                    raise _Malformed("unexpected EOF")
                value = data[at : at + size]
                at += size
            yield tag >> 3, value

    def message(self, name: str, data: memoryview, depth: int) -> Object:
        """A message as a JSON object; unset, empty and zero fields are left out as JSON's omitempty does."""
        if depth > _MAX_DEPTH:
            raise _Malformed("nested too deeply")
        known = _fields(name)
        result: Object = {}
        for number, raw in self.entries(data):
            field = known.get(number)
            if field is None:
                continue
            if field.type.startswith("map:"):
                key, value = self._map_entry(field.type[4:], _bytes(raw), depth)
                result.setdefault(field.name, {})[key] = value
                continue
            value = self._value(field.type, raw, depth)
            if field.inline:
                result |= value
            elif field.repeated:
                result.setdefault(field.name, []).append(value)
            elif field.optional or value not in ("", 0, False):
                result[field.name] = value
            else:
                result.pop(field.name, None)
        return result

    def _map_entry(self, kind: str, data: memoryview, depth: int) -> tuple[str, Any]:
        key, value = "", self._value(kind, memoryview(b""), depth) if "." in kind or kind in ("string", "bytes") else 0
        for number, raw in self.entries(data):
            if number == 1:
                key = _text(raw)
            elif number == 2:
                value = self._value(kind, raw, depth)
        return key, value

    def _value(self, kind: str, raw: int | memoryview, depth: int) -> Any:
        if kind in _SCALARS:
            return _SCALARS[kind](raw)
        data = _bytes(raw)
        if kind in _SPECIAL:
            return _SPECIAL[kind]({number: value for number, value in self.entries(data)})
        if kind.endswith((".ExtraValue", ".Verbs")):
            return [_text(value) for number, value in self.entries(data) if number == 1]
        return self.message(kind, data, depth + 1)


def _bytes(raw: int | memoryview) -> memoryview:
    if isinstance(raw, int):
        raise _Malformed("proto: wrong wireType = 0")
    return raw


def _integer(raw: int | memoryview) -> int:
    if not isinstance(raw, int):
        raise _Malformed("proto: wrong wireType = 2")
    return _signed(raw)


def _int32(raw: int | memoryview) -> int:
    value = _integer(raw) & 0xFFFF_FFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _double(raw: int | memoryview) -> float:
    data = _bytes(raw)
    if len(data) != 8:
        raise _Malformed("proto: wrong wireType")
    return float(struct.unpack("<d", data)[0])


def _text(raw: int | memoryview) -> str:
    return str(_bytes(raw), "utf-8")


_SCALARS: dict[str, Any] = {
    "string": _text,
    "bytes": lambda raw: base64.b64encode(_bytes(raw)).decode(),
    "bool": lambda raw: bool(_integer(raw)),
    "int32": _int32,
    "int64": _integer,
    "double": _double,
}

Values = dict[int, int | memoryview]


def _moment(values: Values) -> datetime | None:
    if not values:
        return None
    nanos = _int32(values.get(2, 0))
    if not 0 <= nanos <= _MAX_NANOS:
        raise _Malformed("timestamp out of range")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=_integer(values.get(1, 0)), microseconds=nanos // 1000)


def _time(values: Values) -> str | None:
    moment = _moment(values)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _micro_time(values: Values) -> str | None:
    moment = _moment(values)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _quantity(values: Values) -> str:
    # An unset quantity is written as a message without a string: that is zero.
    return _text(values[1]) if 1 in values else "0"


def _int_or_string(values: Values) -> int | str:
    if _integer(values.get(1, 0)) == 1:
        return _text(values.get(3, memoryview(b"")))
    return _int32(values.get(2, 0))


def _duration(values: Values) -> str:
    seconds = _integer(values.get(1, 0)) / 1e9
    return f"{seconds:g}s"


def _no_constant(text: str) -> None:
    raise _Malformed(f"invalid character '{text[:1]}' looking for beginning of value")


def _raw(values: Values) -> Any:
    data = bytes(_bytes(values[1])) if 1 in values else b""
    return json.loads(data, parse_constant=_no_constant) if data else None


_SPECIAL: dict[str, Any] = {
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
    f"{_META}Timestamp": _time,
    f"{_META}Duration": _duration,
    f"{_META}FieldsV1": _raw,
    "~runtime.RawExtension": _raw,
    "~api.resource.Quantity": _quantity,
    "~util.intstr.IntOrString": _int_or_string,
}


def _message_of(api_version: str, kind: str) -> str:
    if kind in _META_KINDS:
        return _META + kind
    group, _, version = api_version.rpartition("/")
    package = group.removesuffix(".k8s.io").split(".")[0] if group else "core"
    name = f"{package}.{version}.{kind}"
    if name not in _MESSAGES:
        raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}" in scheme')
    return name


def _decode(body: bytes) -> Object:
    if not body.startswith(MAGIC):
        raise _Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    reader = _Reader()
    envelope: Values = dict(reader.entries(memoryview(body)[len(MAGIC) :]))
    meta = dict(reader.entries(_bytes(envelope.get(1, memoryview(b"")))))
    api_version, kind = _text(meta.get(1, memoryview(b""))), _text(meta.get(2, memoryview(b"")))
    raw = _bytes(envelope.get(2, memoryview(b"")))
    if not kind:
        raise _Malformed("Object 'Kind' is missing")
    return {"kind": kind, "apiVersion": api_version} | reader.message(_message_of(api_version, kind), raw, 0)


def decode(body: bytes) -> Object:
    """The object in a `k8s\\0` envelope. Raises BadRequest."""
    try:
        return _decode(body)
    except (_Malformed, ValueError, OverflowError, RecursionError) as error:
        raise BadRequest(f"unable to decode protobuf body: {error}") from error
