"""Namespaces."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import label_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


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
    name_faults=label_faults,
    selectable_fields=("status.phase",),
)
