"""ReplicaSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.field_order import CONTROLLER_SPEC, reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, selector_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, start_generation, workload_causes


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))
    reorder(spec, CONTROLLER_SPEC)


def _prepare_create(obj: Object) -> None:
    start_generation(obj)
    obj["status"] = {"replicas": 0}


def _validate(obj: Object, old: Object | None) -> list[Object]:
    return workload_causes(obj, old, word="replica set")


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
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=bump_generation,
    validate=_validate,
    selectable_fields=("status.replicas",),
)
