"""Secrets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


SECRETS = Resource(
    kind="Secret",
    plural="secrets",
    columns=(NAME, Column("Type"), Column("Data"), AGE),
    cells=_cells,
    selectable_fields=("type",),
)
