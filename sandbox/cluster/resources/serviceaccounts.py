"""ServiceAccounts."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), age(obj, now)]


SERVICEACCOUNTS = Resource(
    kind="ServiceAccount",
    plural="serviceaccounts",
    short_names=("sa",),
    subresources=("token",),
    columns=(NAME, Column("Secrets"), AGE),
    cells=_cells,
)
