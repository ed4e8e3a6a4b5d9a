"""Which volume fits which claim: what the binder does and the scheduler must foresee."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Key, Object, key_of
from sandbox.cluster.api.selectors import any_labels
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.storageclasses import PROVISIONER, STORAGECLASSES, waits


def claims_of(pod: Object) -> Iterator[Key]:
    """The claims that a pod's volumes name."""
    for volume in pod["spec"].get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim:
            yield Key(pod["metadata"]["namespace"], claim)


def class_of(registry: Registry, claim: Object) -> Object | None:
    """The storage class of a claim, if it names one that exists."""
    name = claim["spec"].get("storageClassName")
    return registry.find(STORAGECLASSES, Key("", name)) if name else None


def is_bound(claim: Object) -> bool:
    """Whether the claim has its volume."""
    return bool(claim["spec"].get("volumeName")) and (claim.get("status") or {}).get("phase") == "Bound"


def refers(volume: Object, claim: Object) -> bool:
    """Whether a volume is set aside for this claim."""
    reference = volume["spec"].get("claimRef") or {}
    same = (reference.get("namespace", ""), reference.get("name")) == tuple(key_of(claim))
    return same and reference.get("uid", claim["metadata"]["uid"]) in ("", claim["metadata"]["uid"])


def fitting(registry: Registry, claim: Object) -> Object | None:
    """The volume for a claim: one set aside for it, else the smallest free one that fits."""
    wanted = claim["spec"].get("volumeName")
    found: tuple[bool, Decimal, str] | None = None
    best: Object | None = None
    for volume in registry.list(PERSISTENTVOLUMES):
        name = volume["metadata"]["name"]
        reserved = refers(volume, claim)
        if "deletionTimestamp" in volume["metadata"] or (wanted and name != wanted):
            continue
        if volume["spec"].get("claimRef") and not reserved:
            continue
        if not _fits(volume["spec"], volume, claim["spec"]):
            continue
        rank = (not reserved, _storage(volume["spec"].get("capacity")), name)
        if found is None or rank < found:
            found, best = rank, volume
    return best


def _fits(spec: Object, volume: Object, wanted: Object) -> bool:
    if (spec.get("storageClassName") or "") != (wanted.get("storageClassName") or ""):
        return False
    if spec.get("volumeMode", "Filesystem") != wanted.get("volumeMode", "Filesystem"):
        return False
    if not set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ()):
        return False
    if wanted.get("selector") and not any_labels(wanted["selector"]).matches(volume["metadata"].get("labels")):
        return False
    return _storage(spec.get("capacity")) >= _storage((wanted.get("resources") or {}).get("requests"))


def _storage(amounts: Object | None) -> Decimal:
    try:
        return quantity.parse((amounts or {}).get("storage", 0))
    except quantity.QuantityError:
        return Decimal(0)


def obstacle(registry: Registry, pod: Object) -> str | None:
    """Why a pod cannot be scheduled for its claims; empty: it is a matter of moments; None: nothing is in its way."""
    waiting = False
    for key in claims_of(pod):
        claim = registry.find(PERSISTENTVOLUMECLAIMS, key)
        if claim is None:
            return f'persistentvolumeclaim "{key.name}" not found'
        if "deletionTimestamp" in claim["metadata"]:
            return f'persistentvolumeclaim "{key.name}" is being deleted'
        if is_bound(claim):
            continue
        if (claim.get("status") or {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName")
            return f'persistentvolumeclaim "{key.name}" bound to non-existent persistentvolume "{volume}"'
        storage_class = class_of(registry, claim)
        if not waits(storage_class):
            return "pod has unbound immediate PersistentVolumeClaims"
        ours = (storage_class or {}).get("provisioner") == PROVISIONER
        if not ours and fitting(registry, claim) is None:
            return UNAVAILABLE
        waiting = True
    return "" if waiting else None


UNAVAILABLE = "node(s) didn't find available persistent volumes to bind"
"""A fault of every node rather than of the pod."""


def affinities(registry: Registry, pod: Object) -> list[Object]:
    """The node affinities that the pod's volumes have, such as local ones."""
    found = []
    for key in claims_of(pod):
        claim = registry.find(PERSISTENTVOLUMECLAIMS, key)
        name = (claim or {}).get("spec", {}).get("volumeName")
        volume = registry.find(PERSISTENTVOLUMES, Key("", name)) if name else None
        required = (((volume or {}).get("spec") or {}).get("nodeAffinity") or {}).get("required")
        if required:
            found.append(required)
    return found


def covers(capacity: Object, request: object) -> bool:
    """Whether a capacity is as large as a request."""
    return _storage(capacity) >= _storage({"storage": request})
