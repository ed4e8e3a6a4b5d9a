"""Namespaces."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import label_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


def _default(obj: Object) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    if obj["metadata"].get("name"):
        labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    spec = obj["spec"] = obj.get("spec") or {}
    spec.setdefault("finalizers", ["kubernetes"])


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Active"}


def _prepare_update(new: Object, old: Object) -> None:
    new["spec"] = old["spec"]


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj.get("status", {}).get("phase", ""), age(obj, now)]


NAMESPACES = Resource(
    kind="Namespace",
    plural="namespaces",
    namespaced=False,
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    subresources=("finalize", "status"),
    columns=(NAME, Column("Status"), AGE),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    name_faults=label_faults,
    selectable_fields=("status.phase",),
)
