"""ConfigMaps."""

from __future__ import annotations

import re
from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, invalid
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

_KEY_HINT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or"
    " 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
MAX_BYTES = 1024 * 1024


def key_causes(data: Object, field: str) -> list[Object]:
    """What is wrong with the keys of a ConfigMap or Secret."""
    causes = []
    for key in data:
        at = f"{field}[{key}]"
        if len(key) > 253:
            causes.append(invalid(at, key, "must be no more than 253 characters"))
        if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
            causes.append(invalid(at, key, _KEY_HINT))
        if key in (".", "..") or key.startswith(".."):
            causes.append(invalid(at, key, f"must not {'be' if key in ('.', '..') else 'start with'} '{key[:2]}'"))
    return causes


def frozen_causes(new: Object, old: Object | None, fields: tuple[str, ...]) -> list[Object]:
    """What an immutable ConfigMap or Secret may not change."""
    if not (old or {}).get("immutable"):
        return []
    why = "field is immutable when `immutable` is set"
    causes = [] if new.get("immutable") else [forbidden("immutable", why)]
    return causes + [forbidden(f, why) for f in fields if (new.get(f) or {}) != ((old or {}).get(f) or {})]


def too_large(size: int, field: str) -> list[Object]:
    """A cause when the data is more than one MiB."""
    if size <= MAX_BYTES:
        return []
    message = f"Too long: may not be more than {MAX_BYTES} bytes"
    return [{"reason": "FieldValueTooLong", "message": message, "field": field}]


def _validate(obj: Object, old: Object | None) -> list[Object]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes = key_causes(data, "data") + key_causes(binary, "binaryData")
    causes += [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in sorted(set(data) & set(binary))
    ]
    size = sum(len(str(value).encode()) for value in data.values()) + sum(
        len(value) * 3 // 4 for value in binary.values()
    )
    return causes + too_large(size, "") + frozen_causes(obj, old, ("data", "binaryData"))


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


CONFIGMAPS = Resource(
    kind="ConfigMap",
    plural="configmaps",
    short_names=("cm",),
    columns=(NAME, Column("Data"), AGE),
    cells=_cells,
    validate=_validate,
)
