"""EndpointSlices: what stands behind a Service."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, age, listed
from sandbox.cluster.resources.resource import Column, Resource


def _port(port: Object) -> str:
    return str(port["port"]) if port.get("port") is not None else str(port.get("name") or "*")


def _cells(obj: Object, now: datetime) -> list[object]:
    addresses = [a for endpoint in obj.get("endpoints") or () for a in endpoint.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        listed([_port(p) for p in obj.get("ports") or ()], "<unset>"),
        listed(addresses, "<unset>"),
        age(obj, now),
    ]


ENDPOINTSLICES = Resource(
    kind="EndpointSlice",
    plural="endpointslices",
    group="discovery.k8s.io",
    columns=(NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE),
    cells=_cells,
)
