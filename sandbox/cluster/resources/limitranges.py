"""LimitRanges: what each container, pod or claim of a namespace may ask for, and gets when it says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, required
from sandbox.cluster.resources.printing import NAME
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.resourcequotas import quantity_causes

_MAPS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDERS = (
    ("min", "max", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "min value {} is greater than default request value {}"),
    ("min", "default", "min value {} is greater than default value {}"),
    ("defaultRequest", "max", "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "default request value {} is greater than default limit value {}"),
    ("default", "max", "default value {} is greater than max value {}"),
)


def _default(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    spec["limits"] = spec.get("limits") or []
    for item in spec["limits"]:
        if item.get("type") != "Container":
            continue
        # A maximum is also the limit of those who name none; a limit is also the request; else the minimum is.
        limits = (item.get("max") or {}) | (item.get("default") or {})
        requests = (item.get("min") or {}) | limits | (item.get("defaultRequest") or {})
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def _validate(obj: Object, _old: Object | None) -> list[Object]:
    causes: list[Object] = []
    for index, item in enumerate(obj["spec"]["limits"]):
        at = f"spec.limits[{index}]"
        if not item.get("type"):
            causes.append(required(f"{at}.type"))
        faults = [
            one
            for name in _MAPS
            for resource, value in (item.get(name) or {}).items()
            for one in quantity_causes(value, f"{at}.{name}[{resource}]")
        ]
        causes += faults or _order_causes(item, at)
    return causes


def _order_causes(item: Object, at: str) -> Iterator[Object]:
    for lower, upper, why in _ORDERS:
        for resource, low in (item.get(lower) or {}).items():
            high = (item.get(upper) or {}).get(resource)
            if high is not None and quantity.parse(low) > quantity.parse(high):
                yield invalid(f"{at}.{lower}[{resource}]", str(low), why.format(low, high))


def _cells(obj: Object, _now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


LIMITRANGES = Resource(
    kind="LimitRange",
    plural="limitranges",
    short_names=("limits",),
    columns=(NAME, Column("Created At", type="date")),
    cells=_cells,
    default=_default,
    validate=_validate,
)
