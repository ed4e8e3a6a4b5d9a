"""DaemonSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.container_validation import one_of_many
from sandbox.cluster.resources.field_order import reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, label_text, selector_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, start_generation, workload_causes

_ORDER = ("selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit")


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy = spec["updateStrategy"] = {"type": "RollingUpdate"} | (spec.get("updateStrategy") or {})
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | (strategy.get("rollingUpdate") or {})
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    reorder(spec, _ORDER)


def _prepare_create(obj: Object) -> None:
    start_generation(obj)
    names = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    obj["status"] = dict.fromkeys(names, 0)
    obj["metadata"].setdefault("annotations", {}).setdefault("deprecated.daemonset.template.generation", "1")


def _prepare_update(new: Object, old: Object) -> None:
    bump_generation(new, old)
    generation = (old["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation", "1")
    if new["spec"]["template"] != old["spec"]["template"] and generation.isdigit():
        generation = str(int(generation) + 1)
    new["metadata"].setdefault("annotations", {})["deprecated.daemonset.template.generation"] = generation


def _validate(obj: Object, old: Object | None) -> list[Object]:
    causes = workload_causes(obj, old, word="daemonset")
    kind = obj["spec"]["updateStrategy"]["type"]
    return causes + one_of_many(kind, "spec.updateStrategy.type", ("RollingUpdate", "OnDelete"))


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    names, images = containers_text(spec["template"])
    return [
        obj["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        label_text(spec["template"].get("spec", {}).get("nodeSelector")),
        age(obj, now),
        names,
        images,
        selector_text(spec.get("selector")),
    ]


DAEMONSETS = Resource(
    kind="DaemonSet",
    plural="daemonsets",
    group="apps",
    short_names=("ds",),
    categories=("all",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Desired", "integer"),
        Column("Current", "integer"),
        Column("Ready", "integer"),
        Column("Up-to-date", "integer"),
        Column("Available", "integer"),
        Column("Node Selector"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
)
