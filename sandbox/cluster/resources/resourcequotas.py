"""ResourceQuotas: how much a namespace may have together."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age
from sandbox.cluster.resources.resource import Column, Resource

SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating")


def quantity_causes(value: object, field: str) -> list[Object]:
    """What is wrong with a quantity that must not be negative."""
    try:
        number = quantity.parse(value)
    except quantity.QuantityError as error:
        return [invalid(field, value, str(error))]
    return [invalid(field, str(value), "must be greater than or equal to 0")] if number < 0 else []


def _default(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    hard = spec.get("hard") or {}
    # Amounts are written in their shortest form, as every quantity is.
    spec["hard"] = {name: _canonical(hard[name]) for name in sorted(hard)}


def _canonical(value: object) -> object:
    try:
        return quantity.canonical(value)
    except quantity.QuantityError:
        return value


def _prepare_create(obj: Object) -> None:
    obj["status"] = {}


def _validate(obj: Object, _old: Object | None) -> list[Object]:
    spec, causes = obj["spec"], []
    for name, value in spec["hard"].items():
        causes += quantity_causes(value, f"spec.hard[{name}]")
    for scope in spec.get("scopes") or ():
        if scope not in SCOPES:
            causes.append(unsupported("spec.scopes", scope, SCOPES))
    return causes


def _cells(obj: Object, now: datetime) -> list[object]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(hard):
        text = f"{name}: {used.get(name, '0')}/{hard[name]}"
        (limits if "limits" in name else requests).append(text)
    return [obj["metadata"]["name"], ", ".join(requests), ", ".join(limits), age(obj, now)]


RESOURCEQUOTAS = Resource(
    kind="ResourceQuota",
    plural="resourcequotas",
    short_names=("quota",),
    subresources=("status",),
    columns=(NAME, Column("Request"), Column("Limit"), AGE),
    cells=_cells,
    default=_default,
    prepare_create=_prepare_create,
    validate=_validate,
)
