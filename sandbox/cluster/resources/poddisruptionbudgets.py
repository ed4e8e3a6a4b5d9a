"""PodDisruptionBudgets: how many pods an eviction must leave."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.workload import bump_generation, share_causes, start_generation

_POLICIES = ("IfHealthyBudget", "AlwaysAllow")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _prepare_create(obj: Object) -> None:
    start_generation(obj)
    obj["status"] = dict.fromkeys(_COUNTS, 0)


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec and spec[name] is None:
            del spec[name]


def _validate(obj: Object, _old: Object | None) -> list[Object]:
    spec = obj["spec"]
    causes: list[Object] = []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        both = f'{{"minAvailable":{spec["minAvailable"]},"maxUnavailable":{spec["maxUnavailable"]}}}'
        causes.append(invalid("spec", both, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        if name in spec:
            causes += share_causes(spec[name], f"spec.{name}")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    spec, status = obj["spec"], obj.get("status") or {}
    bounds = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [obj["metadata"]["name"], *bounds, status.get("disruptionsAllowed", 0), age(obj, now)]


PODDISRUPTIONBUDGETS = Resource(
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    group="policy",
    short_names=("pdb",),
    subresources=("status",),
    columns=(
        NAME,
        Column("Min Available"),
        Column("Max Unavailable"),
        Column("Allowed Disruptions", "integer"),
        AGE,
    ),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=bump_generation,
    validate=_validate,
)
