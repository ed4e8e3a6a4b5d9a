"""ReplicationControllers: what there was before ReplicaSets, with a plain map as selector."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import label_map_causes
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import go_labels, invalid, required
from sandbox.cluster.resources.container_validation import not_negative
from sandbox.cluster.resources.field_order import CONTROLLER_SPEC, reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.pod_validation import pod_spec_causes
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, label_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, start_generation


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))
    labels = spec["template"]["metadata"].get("labels") or {}
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    reorder(spec, CONTROLLER_SPEC)


def _prepare_create(obj: Object) -> None:
    start_generation(obj)
    obj["status"] = {"replicas": 0}


def _validate(obj: Object, _old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes = not_negative(spec, "replicas", "spec") + not_negative(spec, "minReadySeconds", "spec")
    template, selector = spec.get("template") or {}, spec.get("selector") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    causes += label_map_causes(labels, "spec.template.labels")
    if not selector:
        causes.append(required("spec.selector"))
    elif not selector.items() <= labels.items():
        why = "`selector` does not match template `labels`"
        causes.append(invalid("spec.template.metadata.labels", go_labels(labels), why))
    return causes + pod_spec_causes(template.get("spec") or {}, "spec.template.spec", restart_policies=("Always",))


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
        label_text(spec.get("selector")),
    ]


REPLICATIONCONTROLLERS = Resource(
    kind="ReplicationController",
    plural="replicationcontrollers",
    short_names=("rc",),
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
