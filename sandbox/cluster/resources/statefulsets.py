"""StatefulSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, wide
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    names, images = containers_text(spec["template"])
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}"
    return [obj["metadata"]["name"], ready, age(obj, now), names, images]


STATEFULSETS = Resource(
    kind="StatefulSet",
    plural="statefulsets",
    group="apps",
    short_names=("sts",),
    categories=("all",),
    subresources=("scale", "status"),
    columns=(NAME, Column("Ready"), AGE, wide("Containers"), wide("Images")),
    cells=_cells,
)
