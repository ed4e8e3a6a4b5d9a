"""What the registry tells watchers, and how objects become the store's bytes and come back."""

from __future__ import annotations

import json

from sandbox.cluster.api.metadata import ordered, owners
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Event, Indexed, Stored


class Change:
    """One watch event; `object` and `previous` are decoded when first asked for, and shared: not yours to change."""

    __slots__ = ("_event", "_object", "_previous", "key", "resource", "revision", "type")

    def __init__(self, resource: Resource, event: Event) -> None:
        self.type = event.type
        """ADDED, MODIFIED or DELETED."""
        self.resource = resource
        self.key = event.after.key
        self.revision = event.revision
        self._event = event
        self._object: Object | None = None
        self._previous: Object | None = None

    @property
    def stored(self) -> Stored:
        """The encoded object after the change (for DELETED: its last state)."""
        return self._event.after

    @property
    def stored_before(self) -> Stored | None:
        """The encoded object before the change; None for ADDED."""
        return self._event.before

    @property
    def object(self) -> Object:
        """The object after the change (for DELETED: its last state)."""
        if self._object is None:
            self._object = decode(self.resource, self._event.after)
        return self._object

    @property
    def previous(self) -> Object | None:
        """The object before the change; None for ADDED."""
        if self._previous is None and self._event.before is not None:
            self._previous = decode(self.resource, self._event.before)
        return self._previous


def decode(resource: Resource, stored: Stored) -> Object:
    """The object of its stored bytes, which hold neither kind nor apiVersion."""
    obj: Object = {"kind": resource.kind, "apiVersion": resource.api_version}
    obj.update(json.loads(stored.body))
    return obj


def encode(obj: Object, revision: int) -> tuple[bytes, Indexed]:
    """The bytes to store at a revision, and what the store indexes."""
    obj["metadata"]["resourceVersion"] = str(revision)
    arranged = ordered(obj)
    arranged.pop("kind", None)
    arranged.pop("apiVersion", None)
    metadata = arranged["metadata"]
    node = (arranged.get("spec") or {}).get("nodeName", "")
    labels = tuple(sorted((metadata.get("labels") or {}).items()))
    body = json.dumps(arranged, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return body, Indexed(metadata["uid"], tuple(owners(arranged)), node if isinstance(node, str) else "", labels)
