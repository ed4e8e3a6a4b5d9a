"""DaemonSets."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, required
from sandbox.cluster.resources.container_validation import one_of_many
from sandbox.cluster.resources.field_order import reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, label_text, selector_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import (
    bump_generation,
    is_zero,
    share_causes,
    start_generation,
    workload_causes,
)

_ORDER = ("selector", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit")


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_template(spec.setdefault("template", {}))
    strategy = spec["updateStrategy"] = {"type": "RollingUpdate"} | (spec.get("updateStrategy") or {})
    if strategy["type"] == "RollingUpdate":
        given = {name: value for name, value in (strategy.get("rollingUpdate") or {}).items() if value is not None}
        strategy["rollingUpdate"] = {"maxUnavailable": 1, "maxSurge": 0} | given
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
    strategy = obj["spec"]["updateStrategy"]
    causes += one_of_many(strategy["type"], "spec.updateStrategy.type", ("RollingUpdate", "OnDelete"))
    return causes + (_rolling_causes(strategy["rollingUpdate"]) if strategy["type"] == "RollingUpdate" else [])


def _rolling_causes(rolling: Object) -> list[Object]:
    field = "spec.updateStrategy.rollingUpdate"
    causes = [one for name in ("maxUnavailable", "maxSurge") for one in share_causes(rolling[name], f"{field}.{name}")]
    if causes:
        return causes
    unavailable, surge = (not is_zero(rolling[name]) for name in ("maxUnavailable", "maxSurge"))
    if unavailable and surge:
        why = "may not be set when maxUnavailable is non-zero"
        return [invalid(f"{field}.maxSurge", rolling["maxSurge"], why)]
    if not unavailable and not surge:
        return [required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0")]
    return []


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
