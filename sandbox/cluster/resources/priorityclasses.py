"""PriorityClasses: which pods matter more."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import forbidden, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_HIGHEST = 1_000_000_000
_POLICIES = ("PreemptLowerPriority", "Never")


def _default(obj: Object) -> None:
    obj["value"] = obj.get("value") or 0
    obj["preemptionPolicy"] = obj.get("preemptionPolicy") or _POLICIES[0]


def _validate(obj: Object, old: Object | None) -> list[Object]:
    name, value = obj["metadata"].get("name", ""), obj["value"]
    causes = []
    if name.startswith("system-") and SYSTEM.get(name) != value:
        why = "priority class names with 'system-' prefix are reserved for system use only"
        causes.append(forbidden("metadata.name", f"{why}. error: {name} is not a known system priority class"))
    elif name not in SYSTEM and value > _HIGHEST:
        why = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        causes.append(forbidden("value", why))
    if obj["preemptionPolicy"] not in _POLICIES:
        causes.append(unsupported("preemptionPolicy", obj["preemptionPolicy"], _POLICIES))
    if old is not None:
        changed = [field for field in ("value", "preemptionPolicy") if obj[field] != old.get(field)]
        causes += [forbidden(field, "may not be changed in an update.") for field in changed]
    return causes


def _prepare_create(obj: Object) -> None:
    obj["metadata"]["generation"] = 1


def _cells(obj: Object, now: datetime) -> list[object]:
    default = bool(obj.get("globalDefault"))
    return [obj["metadata"]["name"], obj["value"], default, age(obj, now), obj["preemptionPolicy"]]


PRIORITYCLASSES = Resource(
    kind="PriorityClass",
    plural="priorityclasses",
    group="scheduling.k8s.io",
    namespaced=False,
    short_names=("pc",),
    columns=(
        NAME,
        Column("Value", type="integer"),
        Column("Global-Default", type="boolean"),
        AGE,
        Column("PreemptionPolicy"),
    ),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    validate=_validate,
)
