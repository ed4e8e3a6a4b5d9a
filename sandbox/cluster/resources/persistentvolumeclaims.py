"""PersistentVolumeClaims: what a namespace's pods want to store."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, required, unsupported
from sandbox.cluster.resources.persistentvolumes import ACCESS_MODES, access_text, protect
from sandbox.cluster.resources.printing import AGE, NAME, age, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.resourcequotas import quantity_causes

PROTECTION = "kubernetes.io/pvc-protection"
_FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def _default(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"


def _prepare_create(obj: Object) -> None:
    protect(obj, PROTECTION)
    obj["status"] = {"phase": "Pending"}


def _request(spec: Object) -> object:
    return ((spec.get("resources") or {}).get("requests") or {}).get("storage")


def _validate(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    modes, request = spec.get("accessModes") or (), _request(spec)
    causes = [] if modes else [required("spec.accessModes", "at least 1 access mode is required")]
    causes += [unsupported("spec.accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if request is None:
        causes.append(required("spec.resources[storage]"))
    else:
        causes += quantity_causes(request, "spec.resources[storage]")
    if old is not None and _fixed(spec, old["spec"]) != _fixed(old["spec"], old["spec"]):
        causes.append(forbidden("spec", _FROZEN))
    return causes


def _fixed(spec: Object, before: Object) -> Object:
    """A spec without what may change: the request, and what is filled in once."""
    fixed = {key: value for key, value in spec.items() if key not in ("resources", "volumeAttributesClassName")}
    for once in ("volumeName", "storageClassName"):
        if before.get(once) is None:
            fixed.pop(once, None)
    return fixed


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status, metadata = obj["spec"], obj.get("status") or {}, obj["metadata"]
    bound = bool(spec.get("volumeName"))
    return [
        metadata["name"],
        "Terminating" if "deletionTimestamp" in metadata else status.get("phase", ""),
        spec.get("volumeName") or "",
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        access_text(status.get("accessModes")) if bound else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


PERSISTENTVOLUMECLAIMS = Resource(
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    short_names=("pvc",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Status"),
        Column("Volume"),
        Column("Capacity"),
        Column("Access Modes"),
        Column("StorageClass"),
        Column("VolumeAttributesClass"),
        AGE,
        wide("VolumeMode"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    validate=_validate,
)
