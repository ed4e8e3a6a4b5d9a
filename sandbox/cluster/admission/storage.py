"""Claims that name no class get the default one; claims grow only where their class lets them."""

from __future__ import annotations

from sandbox.cluster import volumes
from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.api.objects import Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.storageclasses import STORAGECLASSES, is_default

_RESIZE = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


class Storage:
    """What DefaultStorageClass and PersistentVolumeClaimResize do."""

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Complete a claim. Raises Forbidden."""
        if resource is not PERSISTENTVOLUMECLAIMS or not isinstance(new.get("spec"), dict):
            return
        if old is not None:
            _check_size(registry, new, old)
        elif new["spec"].get("storageClassName") is None:
            defaults = [one for one in registry.list(STORAGECLASSES) if is_default(one)]
            if defaults:
                # The newest is meant.
                newest = max(defaults, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))
                new["spec"]["storageClassName"] = newest["metadata"]["name"]


def _check_size(registry: Registry, new: Object, old: Object) -> None:
    before, after = (((one["spec"].get("resources") or {}).get("requests") or {}) for one in (old, new))
    if volumes.covers(before, after.get("storage", 0)):
        return
    if not (volumes.class_of(registry, new) or {}).get("allowVolumeExpansion"):
        raise Forbidden(PERSISTENTVOLUMECLAIMS, new["metadata"]["name"], _RESIZE)
