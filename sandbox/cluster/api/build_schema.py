"""Make the schema data from the definitions in `kubernetes-validate`: `python -m sandbox.cluster.api.build_schema`.

Run at set-up; running it again does no harm. Nobody ever sees half a file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.cluster.api.objects import Object
from sandbox.cluster.api.schema import FILE, INT_OR_STRING, QUANTITY

_VERSION = "v1.33.0"
_REFERENCE = "#/$defs/"
_VERSIONS = ("v1", "v2")
_SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
}
_EXTENSIONS = (
    ("x-kubernetes-patch-strategy", "s"),
    ("x-kubernetes-patch-merge-key", "k"),
    ("x-kubernetes-list-type", "l"),
    ("x-kubernetes-list-map-keys", "m"),
    ("x-kubernetes-map-type", "a"),
    ("format", "f"),
)
_IMPLIED = ("apiVersion", "kind")


def definitions() -> Object:
    """Kubernetes' definitions, by name."""
    found = importlib.util.find_spec("kubernetes_validate")
    if found is None or found.origin is None:
        raise FileNotFoundError("the package kubernetes-validate is not installed")
    folder = Path(found.origin).parent / "kubernetes-json-schema" / f"{_VERSION}-local"
    read: Object = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return read


def _type(schema: Object) -> str:
    kind = schema.get("type", "")
    return str(next((one for one in kind if one != "null"), "") if isinstance(kind, list) else kind)


def _compact(schema: Object) -> Object:
    """A place in an object, in few letters: see `schema.Node`."""
    reference = schema.get("$ref", "").rpartition(_REFERENCE)[2]
    found: Object = {"r": reference} if reference else {"t": _type(schema)}
    found |= {short: schema[name] for name, short in _EXTENSIONS if name in schema}
    if schema.get("items"):
        found["i"] = _compact(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        found["v"] = _compact(schema["additionalProperties"])
    if schema.get("enum"):
        found["e"] = [value for value in schema["enum"] if value is not None]
    return found


def _definition(name: str, schema: Object) -> Object:
    found = _compact(schema) | {"t": _SPECIAL.get(name) or _type(schema)}
    properties = schema.get("properties") or {}
    if properties:
        found["p"] = {key: _compact(value) for key, value in properties.items()}
        for key in _IMPLIED:
            found["p"].get(key, {}).pop("e", None)
    if schema.get("required"):
        found["q"] = schema["required"]
    kinds = schema.get("x-kubernetes-group-version-kind") or ()
    if kinds:
        found["g"] = [[one["group"], one["version"], one["kind"]] for one in kinds]
    return found


def _descriptions(schema: Object) -> Object:
    found = {"": schema.get("description", "")}
    found |= {
        key: value["description"] for key, value in (schema.get("properties") or {}).items() if "description" in value
    }
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition(_REFERENCE)[2]
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _reachable(all_of_them: Object, roots: Iterable[str]) -> list[str]:
    found, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_references(all_of_them[name]))
    return sorted(found)


def _stable(schema: Object) -> bool:
    return any(one["version"] in _VERSIONS for one in schema.get("x-kubernetes-group-version-kind") or ())


def _squeeze(value: Object) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 9)


def pack(all_of_them: Object) -> bytes:
    """The content of the data file."""
    kept = _reachable(all_of_them, (name for name, schema in all_of_them.items() if _stable(schema)))
    pieces, places, offset = [], {}, 0
    kinds: dict[str, str] = {}
    for name in kept:
        schema = all_of_them[name]
        for key, value in ((name, _definition(name, schema)), (f"{name}#", _descriptions(schema))):
            piece = _squeeze(value)
            places[key] = [offset, len(piece)]
            offset += len(piece)
            pieces.append(piece)
        for one in schema.get("x-kubernetes-group-version-kind") or ():
            kinds[f"{one['group']}/{one['version']}/{one['kind']}"] = name
    index = _squeeze({"places": places, "kinds": kinds})
    return b"".join((len(index).to_bytes(4, "big"), index, *pieces))


def build(target: Path = FILE) -> int:
    """Write the data file in one step; returns its size."""
    content = pack(definitions())
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return len(content)


def main() -> int:
    """Build, and say what was built."""
    size = build()
    sys.stdout.write(f"schema of Kubernetes {_VERSION}: {size // 1024} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
