"""OpenAPI v2 as protobuf (gnostic's `openapi.v2.Document`), which kubectl up to 1.27 fetches.

Only what our documents hold is written: paths with operations and query parameters, and definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sandbox.cluster.api.objects import Object


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode()) if value else b""


def _named(number: int, name: str, value: bytes) -> bytes:
    return _bytes(number, _text(1, name) + _bytes(2, value))


def _any(value: object) -> bytes:
    # An Any carries YAML, and JSON is YAML.
    return _text(2, json.dumps(value))


def _extensions(number: int, of: Object) -> bytes:
    return b"".join(_named(number, name, _any(value)) for name, value in of.items() if name.startswith("x-"))


def _schema(schema: Object) -> bytes:
    out = [_text(1, schema.get("$ref", "")), _text(2, schema.get("format", ""))]
    out.append(_text(4, schema.get("description", "")))
    out += [_text(19, name) for name in schema.get("required", ())]
    out += [_bytes(20, _any(value)) for value in schema.get("enum", ())]
    if "additionalProperties" in schema:
        out.append(_bytes(21, _bytes(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        out.append(_bytes(22, _text(1, schema["type"])))
    if "items" in schema:
        out.append(_bytes(23, _bytes(1, _schema(schema["items"]))))
    if "properties" in schema:
        properties = (_named(1, name, _schema(value)) for name, value in schema["properties"].items())
        out.append(_bytes(25, b"".join(properties)))
    out.append(_extensions(31, schema))
    return b"".join(out)


def _query_parameter(parameter: Object) -> bytes:
    fields = _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter["type"])
    # ParametersItem.parameter → Parameter.non_body_parameter → NonBodyParameter.query_parameter_sub_schema
    return _bytes(8, _bytes(1, _bytes(2, _bytes(3, fields))))


def _operation(operation: Object) -> bytes:
    out = [_text(5, operation["operationId"])]
    out += [_query_parameter(parameter) for parameter in operation.get("parameters", ())]
    responses = b"".join(
        _named(1, code, _bytes(1, _text(1, response["description"])))
        for code, response in operation["responses"].items()
    )
    out += [_bytes(9, responses), _extensions(13, operation)]
    return b"".join(out)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def _path_item(item: Object) -> bytes:
    return b"".join(_bytes(_METHODS[method], _operation(operation)) for method, operation in item.items())


def document(info: Object, paths: Iterable[tuple[str, Object]], definitions: Iterable[tuple[str, Object]]) -> bytes:
    """The whole document."""
    return b"".join(
        (
            _text(1, "2.0"),
            _bytes(2, _text(1, info["title"]) + _text(2, info["version"])),
            _bytes(8, b"".join(_named(2, path, _path_item(item)) for path, item in paths)),
            _bytes(9, b"".join(_named(1, name, _schema(schema)) for name, schema in definitions)),
        )
    )
