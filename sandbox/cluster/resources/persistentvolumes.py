"""PersistentVolumes: storage that outlives pods."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, invalid, required, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.resourcequotas import quantity_causes

PROTECTION = "kubernetes.io/pv-protection"
ACCESS_MODES = {
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOnce": "RWO",
    "ReadWriteOncePod": "RWOP",
}
_POLICIES = ("Delete", "Recycle", "Retain")
_PLAIN = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def access_text(modes: object) -> str:
    """`RWO,RWX`, in Kubernetes' order."""
    given = modes if isinstance(modes, list) else []
    order = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
    return ",".join(ACCESS_MODES[mode] for mode in order if mode in given)


def protect(obj: Object, finalizer: str) -> None:
    """Keep an object until nobody uses it."""
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        obj["metadata"]["finalizers"] = [*finalizers, finalizer]


def _sources(spec: Object) -> list[str]:
    return sorted(name for name, value in spec.items() if name not in _PLAIN and isinstance(value, dict))


def _default(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
    spec["volumeMode"] = spec.get("volumeMode") or "Filesystem"
    if isinstance(path := spec.get("hostPath"), dict):
        path["type"] = path.get("type") or ""


def _prepare_create(obj: Object) -> None:
    protect(obj, PROTECTION)
    obj["status"] = {"phase": "Pending"}


def _validate(obj: Object, old: Object | None) -> list[Object]:
    spec, sources = obj["spec"], _sources(obj["spec"])
    causes = [required(f"spec.{field}") for field in ("capacity", "accessModes") if not spec.get(field)]
    for name, value in (spec.get("capacity") or {}).items():
        causes += quantity_causes(value, f"spec.capacity[{name}]")
    causes += [
        unsupported("spec.accessModes", mode, ACCESS_MODES)
        for mode in spec.get("accessModes") or ()
        if mode not in ACCESS_MODES
    ]
    if not sources:
        causes.append(required("spec", "must specify a volume type"))
    causes += [forbidden(f"spec.{one}", "may not specify more than 1 volume type") for one in sources[1:]]
    if "local" in sources and not spec.get("nodeAffinity"):
        causes.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    path = (spec.get("hostPath") or {}).get("path")
    if "hostPath" in sources and not path:
        causes.append(required("spec.hostPath.path"))
    elif path and ".." in path.split("/"):
        causes.append(invalid("spec.hostPath.path", path, "must not contain '..'"))
    if spec["persistentVolumeReclaimPolicy"] not in _POLICIES:
        policy = spec["persistentVolumeReclaimPolicy"]
        causes.append(unsupported("spec.persistentVolumeReclaimPolicy", policy, _POLICIES))
    if old is not None and any(spec.get(one) != old["spec"].get(one) for one in {*sources, *_sources(old["spec"])}):
        causes.append(
            forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
        )
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status, metadata = obj["spec"], obj.get("status") or {}, obj["metadata"]
    claim = spec.get("claimRef") or {}
    return [
        metadata["name"],
        (spec.get("capacity") or {}).get("storage", ""),
        access_text(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if "deletionTimestamp" in metadata else status.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        status.get("reason", ""),
        age(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]


PERSISTENTVOLUMES = Resource(
    kind="PersistentVolume",
    plural="persistentvolumes",
    namespaced=False,
    short_names=("pv",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Capacity"),
        Column("Access Modes"),
        Column("Reclaim Policy"),
        Column("Status"),
        Column("Claim"),
        Column("StorageClass"),
        Column("VolumeAttributesClass"),
        Column("Reason"),
        AGE,
        wide("VolumeMode"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    validate=_validate,
)
