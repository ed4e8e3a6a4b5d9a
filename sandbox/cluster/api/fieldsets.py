"""Which fields an object has, as managed fields name them (FieldsV1), and values by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.cluster.api.merge import MergeSchema
from sandbox.cluster.api.objects import Object

Path = tuple[str, ...]
"""Steps such as `f:spec`, `k:{"name":"web"}`, `v:"x"`, and `.` for the thing itself."""

ITSELF = "."
_SERVER_SET = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"}
    | {"deletionGracePeriodSeconds", "managedFields", "selfLink"}
)


_KEY_DEFAULTS: Object = {"protocol": "TCP"}
"""Of the keys of `map` lists (ports), this one may be left out."""


def leaves(obj: Object, schema: MergeSchema | None) -> dict[Path, Any]:
    """Every field that somebody can own, with its value."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name in ("kind", "apiVersion"):
            continue
        if name == "metadata":
            value = {key: one for key, one in value.items() if key not in _SERVER_SET}
            if not value:
                continue
        _walk(found, (f"f:{name}",), value, schema.field(name) if schema else None)
    return found


def _walk(found: dict[Path, Any], path: Path, value: Any, schema: MergeSchema | None) -> None:
    if isinstance(value, dict) and value and not (schema and schema.map_type == "atomic"):
        if path[-1].startswith("k:") or schema is None or not schema.structured:
            found[(*path, ITSELF)] = None
        for name, child in value.items():
            _walk(found, (*path, f"f:{name}"), child, schema.field(name) if schema else None)
    elif isinstance(value, list) and schema and schema.list_type == "map":
        for child in value:
            _walk(found, (*path, item_step(child, schema)), child, schema.items())
    elif isinstance(value, list) and schema and schema.list_type == "set":
        for child in value:
            found[(*path, f"v:{json.dumps(child)}")] = child
    elif value is not None:
        found[path] = value


def item_step(item: Any, schema: MergeSchema) -> str:
    """The step that names an object of a list by its keys."""
    known = _KEY_DEFAULTS | item if isinstance(item, dict) else {}
    keys = {key: known[key] for key in sorted(schema.map_keys) if key in known}
    return "k:" + json.dumps(keys, separators=(",", ":"), ensure_ascii=False)


def to_fields(paths: Iterable[Path]) -> Object:
    """FieldsV1 of a set of fields."""
    fields: Object = {}
    for path in sorted(paths):
        level = fields
        for step in path:
            level = level.setdefault(step, {})
    return fields


def from_fields(fields: Mapping[str, Any]) -> set[Path]:
    """The set of fields of FieldsV1."""
    found: set[Path] = set()

    def walk(level: Mapping[str, Any], path: Path) -> None:
        for step, below in level.items():
            if isinstance(below, dict) and below:
                walk(below, (*path, step))
            else:
                found.add((*path, step))

    walk(fields, ())
    return found


def shown(path: Path) -> str:
    """A field as conflicts name it: `.spec.containers[name="web"].image`."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            pairs = json.loads(rest)
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in pairs.items()) + "]"
        elif kind == "v":
            text += f"[={rest}]"
    return text
