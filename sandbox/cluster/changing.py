"""What every change must respect: versions, preconditions, metadata that is the server's, the store's limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.cluster.api.deletion import DeleteOptions
from sandbox.cluster.api.errors import Conflict, ServerError
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.store import Full, TooLarge


@contextmanager
def refusing() -> Iterator[None]:
    """The store's limits in etcd's words: people search for them."""
    try:
        yield
    except TooLarge as error:
        raise ServerError("etcdserver: request is too large") from error
    except Full as error:
        raise ServerError("etcdserver: mvcc: database space exceeded") from error


def check_version(resource: Resource, obj: Object, old: Object) -> None:
    """Raise Conflict when the object was read at another version, or is another of the same name."""
    metadata, name = obj["metadata"], old["metadata"]["name"]
    uid = metadata.get("uid")
    if uid and uid != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
        raise Conflict(resource, name, why)
    version = metadata.get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise Conflict(resource, name)


def check_preconditions(resource: Resource, old: Object, options: DeleteOptions) -> None:
    """Raise Conflict when a deletion means another object."""
    metadata = old["metadata"]
    for label, wanted, actual in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if wanted and wanted != actual:
            why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {actual}"
            raise Conflict(resource, metadata["name"], why)


_KEPT = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
)


def keep_metadata(new: Object, old: Object) -> None:
    """Give an update, in place, what no client may change."""
    metadata = new["metadata"]
    for field in _KEPT:
        metadata.pop(field, None)
        if field in old["metadata"]:
            metadata[field] = old["metadata"][field]
    if "managedFields" not in metadata and "managedFields" in old["metadata"]:
        metadata["managedFields"] = old["metadata"]["managedFields"]


def new_finalizer_causes(new: Object, old: Object) -> list[Object]:
    """Causes when an object that is being deleted gets finalizers."""
    before = set(old["metadata"].get("finalizers") or ())
    added = [name for name in new["metadata"].get("finalizers") or () if name not in before]
    if not added:
        return []
    shown = ", ".join(f'"{name}"' for name in added)
    message = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
        f" []string{{{shown}}}"
    )
    return [{"reason": "FieldValueForbidden", "message": message, "field": "metadata.finalizers"}]
