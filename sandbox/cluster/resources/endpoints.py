"""Endpoints: the older view of what stands behind a Service."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, NONE, age, listed
from sandbox.cluster.resources.resource import Column, Resource


def _default(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"


def _addresses(subset: Object) -> list[str]:
    addresses = [a.get("ip", "") for a in subset.get("addresses") or ()]
    ports = [p.get("port") for p in subset.get("ports") or ()]
    if not ports:
        return addresses
    return [f"[{a}]:{port}" if ":" in a else f"{a}:{port}" for port in ports for a in addresses]


def _cells(obj: Object, now: datetime) -> list[object]:
    subsets = obj.get("subsets") or ()
    found = [address for subset in subsets for address in _addresses(subset)]
    return [obj["metadata"]["name"], listed(found, "" if subsets else NONE), age(obj, now)]


ENDPOINTS = Resource(
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    short_names=("ep",),
    columns=(NAME, Column("Endpoints"), AGE),
    cells=_cells,
    default=_default,
)
