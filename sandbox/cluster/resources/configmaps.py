"""ConfigMaps."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


CONFIGMAPS = Resource(
    kind="ConfigMap",
    plural="configmaps",
    short_names=("cm",),
    columns=(NAME, Column("Data"), AGE),
    cells=_cells,
)
