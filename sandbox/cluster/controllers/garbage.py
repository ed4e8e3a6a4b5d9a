"""The garbage collector: what is owned goes when its owner goes, in the order that the owner's deletion asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.deletion import FOREGROUND, ORPHAN
from sandbox.cluster.api.errors import NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.ownership import release
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.resource import Resource


class GarbageCollector:
    """Deletes objects whose owners are gone, and serves foreground deletion and orphaning.

    Its keys name objects of any resource: `Key("<resource>/<namespace>", name)`.
    """

    name = "generic-garbage-collector"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Every resource that there is when it starts."""
        return [Watch(resource, self._concerned) for resource in self._registry.resources()]

    def _concerned(self, change: Change) -> Iterable[Key]:
        """Cheap, for it sees every change: nothing is decoded for most of them."""
        stored, before = change.stored, change.stored_before
        if change.type == "DELETED":
            keys = [_key(resource, obj) for resource, obj in self._registry.owned_by(stored.indexed.uid)]
            return [*keys, *self._owners(change)]
        new_owners = before is None or before.indexed.owners != stored.indexed.owners
        if stored.indexed.owners and new_owners:
            return (_change_key(change),)
        if b'"deletionTimestamp"' in stored.body and b'"finalizers"' in stored.body:
            return (_change_key(change),)
        return ()

    def _owners(self, change: Change) -> list[Key]:
        """An owner may wait for its dependents to be gone."""
        keys = []
        if change.stored.indexed.owners:
            for reference in change.object["metadata"].get("ownerReferences") or ():
                owner = self._owner(reference, change.key.namespace)
                if owner is not None and "deletionTimestamp" in owner[1]["metadata"]:
                    keys.append(_key(*owner))
        return keys

    async def reconcile(self, key: Key) -> float | None:
        """Do for one object what its owners' state, or its own finalizers, demand."""
        name, _, namespace = key.namespace.partition("/")
        resource = self._registry.resource(name)
        obj = self._registry.find(resource, Key(namespace, key.name)) if resource is not None else None
        if resource is None or obj is None:
            return None
        metadata = obj["metadata"]
        if "deletionTimestamp" in metadata:
            finalizers = metadata.get("finalizers") or ()
            if ORPHAN in finalizers:
                self._orphan(resource, obj)
            elif FOREGROUND in finalizers:
                self._foreground(resource, obj)
            return None
        if metadata.get("ownerReferences"):
            self._judge(resource, obj)
        return None

    def _orphan(self, resource: Resource, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        for dependent_resource, dependent in self._registry.owned_by(uid):
            release(self._registry, dependent_resource, _plain(dependent), uid)
        self._drop_finalizer(resource, obj, ORPHAN)

    def _foreground(self, resource: Resource, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        blocking = False
        for dependent_resource, dependent in self._registry.owned_by(uid):
            references = dependent["metadata"].get("ownerReferences") or ()
            blocking |= any(one.get("uid") == uid and one.get("blockOwnerDeletion") for one in references)
            if "deletionTimestamp" not in dependent["metadata"]:
                self._judge(dependent_resource, dependent)
        # What went at once is gone already; who still blocks says so now.
        if not (blocking and self._blocked(uid)):
            self._drop_finalizer(resource, obj, FOREGROUND)

    def _blocked(self, uid: str) -> bool:
        return any(
            one.get("uid") == uid and one.get("blockOwnerDeletion")
            for _, dependent in self._registry.owned_by(uid)
            for one in dependent["metadata"].get("ownerReferences") or ()
        )

    def _drop_finalizer(self, resource: Resource, obj: Object, name: str) -> None:
        def change(stored: Object) -> None:
            finalizers = stored["metadata"].get("finalizers") or ()
            stored["metadata"]["finalizers"] = [one for one in finalizers if one != name]

        self._registry.patch(resource, _plain(obj), change)

    def _judge(self, resource: Resource, obj: Object) -> None:
        """Delete it when no owner is left; forget owners that are gone when another is."""
        namespace = obj["metadata"].get("namespace", "")
        states: dict[str, list[Object]] = {"solid": [], "going": [], "gone": []}
        for reference in obj["metadata"].get("ownerReferences") or ():
            states[self._state(reference, namespace)].append(reference)
        going = states["going"]
        if states["solid"]:
            for reference in (*going, *states["gone"]):
                release(self._registry, resource, _plain(obj), reference["uid"])
            return
        has_dependents = bool(self._registry.owned_by(obj["metadata"]["uid"]))
        propagation = "Foreground" if going and has_dependents else "Background"
        try:
            self._registry.delete(resource, _plain(obj), propagation=propagation, uid=obj["metadata"]["uid"])
        except NotFound:
            return

    def _state(self, reference: Object, namespace: str) -> str:
        if self._registry.of_kind(reference.get("apiVersion", ""), reference.get("kind", "")) is None:
            return "solid"  # a kind that we do not know cannot be said to be gone
        owner = self._owner(reference, namespace)
        if owner is None:
            return "gone"
        metadata = owner[1]["metadata"]
        waits = "deletionTimestamp" in metadata and FOREGROUND in (metadata.get("finalizers") or ())
        return "going" if waits else "solid"

    def _owner(self, reference: Object, namespace: str) -> tuple[Resource, Object] | None:
        resource = self._registry.of_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        if resource is None:
            return None
        owner = self._registry.find(resource, Key(namespace if resource.namespaced else "", reference.get("name", "")))
        if owner is None or owner["metadata"]["uid"] != reference.get("uid"):
            return None
        return resource, owner


def _key(resource: Resource, obj: Object) -> Key:
    return Key(f"{resource.qualified}/{obj['metadata'].get('namespace', '')}", obj["metadata"]["name"])


def _change_key(change: Change) -> Key:
    return Key(f"{change.resource.qualified}/{change.key.namespace}", change.key.name)


def _plain(obj: Object) -> Key:
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
