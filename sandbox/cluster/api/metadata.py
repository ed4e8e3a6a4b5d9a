"""The metadata that every object has: its order on the wire, what the server sets, what it checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sandbox.cluster.api.names import invalid_value, label_map_causes, qualified_faults, required
from sandbox.cluster.api.objects import Object

_METADATA_ORDER = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_FIRST = ("kind", "apiVersion", "metadata", "spec", "status")
_ANNOTATIONS_LIMIT = 256 * 1024


def ordered(obj: Object) -> Object:
    """The object with its outer keys and metadata in Kubernetes' own order; unset metadata is dropped."""
    metadata = obj.get("metadata") or {}
    known = {key: metadata[key] for key in _METADATA_ORDER if metadata.get(key) not in (None, "", {}, [])}
    result = {key: obj[key] for key in _FIRST if key in obj and key not in ("spec", "status")}
    result["metadata"] = known
    for key, value in obj.items():
        if key not in _FIRST:
            result[key] = value
    # Kinds such as Event and ConfigMap have other fields; none has them between spec and status.
    result |= {key: obj[key] for key in ("spec", "status") if key in obj}
    return result


def owners(obj: Object) -> list[str]:
    """The uids of its owners."""
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or () if reference.get("uid")]


def metadata_causes(obj: Object, name_faults: Callable[[str], Sequence[str]]) -> list[Object]:
    """What is wrong with the metadata of an object that is about to be stored."""
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    causes = [invalid_value("metadata.name", name, fault) for fault in name_faults(name)]
    causes += label_map_causes(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        # Annotation keys are compared in lower case, labels are not.
        causes += [invalid_value("metadata.annotations", key, fault) for fault in qualified_faults(key.lower())]
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
        causes.append({"reason": "FieldValueTooLong", "message": message, "field": "metadata.annotations"})
    return causes + _owner_causes(metadata.get("ownerReferences") or ())


def _owner_causes(references: Sequence[Object]) -> list[Object]:
    causes: list[Object] = []
    for index, reference in enumerate(references):
        field = f"metadata.ownerReferences[{index}]"
        causes += [
            required(f"{field}.{name}", f"{name} must not be empty")
            for name in ("apiVersion", "kind", "name", "uid")
            if not reference.get(name)
        ]
    if sum(1 for reference in references if reference.get("controller")) > 1:
        causes.append(
            invalid_value(
                "metadata.ownerReferences",
                "map",
                "Only one reference can have Controller set to true.",
            )
        )
    return causes
