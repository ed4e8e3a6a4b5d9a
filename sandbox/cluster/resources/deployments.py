"""Deployments."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, invalid, unsupported
from sandbox.cluster.resources.container_validation import not_negative
from sandbox.cluster.resources.field_order import DEPLOYMENT_SPEC, reorder
from sandbox.cluster.resources.pod_defaults import default_template
from sandbox.cluster.resources.printing import AGE, NAME, age, containers_text, selector_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import (
    bump_generation,
    is_zero,
    share_causes,
    start_generation,
    workload_causes,
)


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))
    _default_strategy(spec)
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    if spec.get("progressDeadlineSeconds") is None:
        spec["progressDeadlineSeconds"] = 600
    reorder(spec, DEPLOYMENT_SPEC)


def _default_strategy(spec: Object) -> None:
    strategy = spec["strategy"] = {"type": "RollingUpdate"} | (spec.get("strategy") or {})
    strategy["type"] = strategy["type"] or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
        strategy["rollingUpdate"] = rolling | _given(strategy.get("rollingUpdate") or {})


def _given(fields: Object) -> Object:
    return {name: value for name, value in fields.items() if value is not None}


def _validate(obj: Object, old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes = workload_causes(obj, old, word="deployment")
    deadline, ready = spec["progressDeadlineSeconds"], spec.get("minReadySeconds") or 0
    if isinstance(deadline, int) and deadline < 0:
        causes += not_negative(spec, "progressDeadlineSeconds", "spec")
    elif deadline <= ready:
        causes.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return causes + _strategy_causes(spec["strategy"])


def _strategy_causes(strategy: Object) -> list[Object]:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        return [unsupported("spec.strategy.type", kind, ("Recreate", "RollingUpdate"))]
    if kind == "Recreate":
        why = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden("spec.strategy.rollingUpdate", why)] if rolling is not None else []
    causes: list[Object] = []
    rolling = rolling or {}
    for name in ("maxUnavailable", "maxSurge"):
        causes += share_causes(rolling[name], f"spec.strategy.rollingUpdate.{name}")
    if not causes and is_zero(rolling["maxUnavailable"]) and is_zero(rolling["maxSurge"]):
        why = "may not be 0 when `maxSurge` is 0"
        causes.append(invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why))
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status", {})
    names, images = containers_text(spec["template"])
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj, now),
        names,
        images,
        selector_text(spec.get("selector")),
    ]


DEPLOYMENTS = Resource(
    kind="Deployment",
    plural="deployments",
    group="apps",
    short_names=("deploy",),
    categories=("all",),
    subresources=("scale", "status"),
    columns=(
        NAME,
        Column("Ready"),
        Column("Up-to-date"),
        Column("Available"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=start_generation,
    prepare_update=bump_generation,
    validate=_validate,
)
