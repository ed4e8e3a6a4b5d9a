"""Who controls what: adopting what matches a selector and belongs to nobody, letting go of what no longer matches."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.api.selectors import LabelSelector, from_object
from sandbox.cluster.controllers.pod_views import PodView, PodViews
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.resource import Resource


def owner_reference(owner: Object) -> Object:
    """The reference that makes `owner` the controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def adopt(registry: Registry, resource: Resource, key: Key, owner: Object) -> bool:
    """Make `owner` the controller of an object; False when the object has gone meanwhile or is refused."""

    def change(obj: Object) -> None:
        obj["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))

    return _tried(registry, resource, key, change)


def release(registry: Registry, resource: Resource, key: Key, uid: str) -> bool:
    """Take the owner with this uid from an object's references."""

    def change(obj: Object) -> None:
        references = obj["metadata"].get("ownerReferences") or ()
        obj["metadata"]["ownerReferences"] = [one for one in references if one.get("uid") != uid]

    return _tried(registry, resource, key, change)


def _tried(registry: Registry, resource: Resource, key: Key, change: Callable[[Object], None]) -> bool:
    try:
        registry.patch(resource, key, change)
    except ApiError:
        return False
    return True


def claim_pods(registry: Registry, views: PodViews, owner: Object, selector: LabelSelector) -> list[PodView]:
    """The pods that `owner` controls, after adopting and releasing."""
    uid, alive = owner["metadata"]["uid"], "deletionTimestamp" not in owner["metadata"]
    claimed = []
    for view in views.in_namespace(owner["metadata"]["namespace"]):
        matches = selector.matches(view.labels)
        if view.owner == uid:
            if matches or not alive:
                claimed.append(view)
            elif not view.deleting:
                release(registry, PODS, view.key, uid)
        elif matches and not view.owner and alive and view.active and adopt(registry, PODS, view.key, owner):
            claimed.append(view)
    return claimed


def claim(registry: Registry, resource: Resource, owner: Object) -> list[Object]:
    """The objects of a resource (ReplicaSets) that `owner` controls, after adopting and releasing."""
    selector = from_object(owner["spec"].get("selector"))
    metadata = owner["metadata"]
    alive = "deletionTimestamp" not in metadata
    claimed = []
    for obj in registry.list(resource, namespace=metadata["namespace"]):
        key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        controller = next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)
        matches = selector.matches(obj["metadata"].get("labels"))
        if controller is not None and controller["uid"] == metadata["uid"]:
            if matches or not alive:
                claimed.append(obj)
            else:
                release(registry, resource, key, metadata["uid"])
        elif (
            controller is None
            and matches
            and alive
            and "deletionTimestamp" not in obj["metadata"]
            and adopt(registry, resource, key, owner)
        ):
            claimed.append(registry.get(resource, key))
    return claimed


def controllers_of(change: Change, kind: str) -> list[Key]:
    """The keys of the controllers of that kind that a change concerns: of the object now and of it before."""
    keys = []
    for obj in (change.object, change.previous):
        for reference in (obj or {"metadata": {}})["metadata"].get("ownerReferences") or ():
            key = Key(change.key.namespace, reference.get("name", ""))
            if reference.get("controller") and reference.get("kind") == kind and key not in keys:
                keys.append(key)
    return keys
