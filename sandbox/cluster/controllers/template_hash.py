"""The hash in a ReplicaSet's name: FNV-1a of the pod template, in letters that spell no word."""

from __future__ import annotations

import json

from sandbox.cluster.api.names import ALPHABET
from sandbox.cluster.api.objects import Object
from sandbox.cluster.controllers import go_format

HASH_LABEL = "pod-template-hash"
_OFFSET = 2166136261
_PRIME = 16777619


def fnv32a(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each character as one of ALPHABET; digits become 4-9 and b, c, d, f."""
    return "".join(ALPHABET[ord(char) % len(ALPHABET)] for char in text)


def template_hash(template: Object, collisions: int | None = None) -> str:
    """Equal for equal templates; another one for each number of collisions."""
    bare = _bare(template)
    try:
        text = go_format.pod_template(bare)
    except go_format.Unknown:
        text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    data = text.encode()
    if collisions is not None:
        # Kubernetes appends the count as a varint in eight bytes.
        data += _varint(collisions).ljust(8, b"\0")
    return safe_encode(str(fnv32a(data)))


def _bare(template: Object) -> Object:
    """Without what does not make two templates differ: the hash label itself and empty values."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    metadata["labels"] = labels
    return {"metadata": _pruned(metadata), "spec": _pruned(template.get("spec", {}))}


def equal_templates(one: Object, other: Object) -> bool:
    """Whether two pod templates differ in nothing but the hash label."""
    return _bare(one) == _bare(other)


def _pruned(value: object) -> object:
    """Go writes an empty map, list or string as an absent one, so they must not differ; 0 and false may."""
    if isinstance(value, dict):
        items = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None and item not in ("", [])}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
