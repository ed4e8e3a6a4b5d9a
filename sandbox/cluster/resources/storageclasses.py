"""StorageClasses: where volumes for claims come from."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, immutable, required, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

DEFAULT = "storageclass.kubernetes.io/is-default-class"
PROVISIONER = "k8s.io/minikube-hostpath"
"""The one provisioner that every cluster here has."""
_BETA = "storageclass.beta.kubernetes.io/is-default-class"
_POLICIES = ("Delete", "Retain")
_MODES = ("Immediate", "WaitForFirstConsumer")


def is_default(obj: Object) -> bool:
    """Whether claims that name no class get this one."""
    annotations = obj["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT), annotations.get(_BETA))


def waits(storage_class: Object | None) -> bool:
    """Whether claims of this class wait for the first pod that uses them."""
    return (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def _default(obj: Object) -> None:
    obj["provisioner"] = obj.get("provisioner") or ""
    obj["reclaimPolicy"] = obj.get("reclaimPolicy") or "Delete"
    obj["volumeBindingMode"] = obj.get("volumeBindingMode") or "Immediate"


def _validate(obj: Object, old: Object | None) -> list[Object]:
    causes = [] if obj["provisioner"] else [required("provisioner")]
    for field, known in (("reclaimPolicy", _POLICIES), ("volumeBindingMode", _MODES)):
        if obj[field] not in known:
            causes.append(unsupported(field, obj[field], known))
    if old is None:
        return causes
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        if (obj.get(field) or None) != (old.get(field) or None):
            causes.append(forbidden(field, f"updates to {field} are forbidden."))
    if obj["volumeBindingMode"] != old.get("volumeBindingMode"):
        causes.append(immutable("volumeBindingMode", obj["volumeBindingMode"]))
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    name = obj["metadata"]["name"] + (" (default)" if is_default(obj) else "")
    expands = bool(obj.get("allowVolumeExpansion"))
    return [name, obj["provisioner"], obj["reclaimPolicy"], obj["volumeBindingMode"], expands, age(obj, now)]


STORAGECLASSES = Resource(
    kind="StorageClass",
    plural="storageclasses",
    group="storage.k8s.io",
    namespaced=False,
    short_names=("sc",),
    columns=(
        NAME,
        Column("Provisioner"),
        Column("ReclaimPolicy"),
        Column("VolumeBindingMode"),
        Column("AllowVolumeExpansion"),
        AGE,
    ),
    cells=_cells,
    default=_default,
    validate=_validate,
)
