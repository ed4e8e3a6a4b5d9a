"""ReplicaSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, selector_text, wide
from sandbox.cluster.resources.resource import Column, Resource


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    names, images = containers_text(spec["template"])
    return [
        obj["metadata"]["name"],
        spec.get("replicas", 1),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        names,
        images,
        selector_text(spec.get("selector")),
    ]


REPLICASETS = Resource(
    kind="ReplicaSet",
    plural="replicasets",
    group="apps",
    short_names=("rs",),
    categories=("all",),
    subresources=("scale", "status"),
    columns=(
        NAME,
        Column("Desired", "integer"),
        Column("Current", "integer"),
        Column("Ready", "integer"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ),
    cells=_cells,
    selectable_fields=("status.replicas",),
)
