"""Leases: who is alive, or leads."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj.get("spec", {}).get("holderIdentity", ""), age(obj, now)]


LEASES = Resource(
    kind="Lease",
    plural="leases",
    group="coordination.k8s.io",
    columns=(NAME, Column("Holder"), AGE),
    cells=_cells,
)
