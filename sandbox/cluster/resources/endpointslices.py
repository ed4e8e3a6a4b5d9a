"""EndpointSlices: what stands behind a Service."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import immutable, required, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age, listed
from sandbox.cluster.resources.resource import Column, Resource


def _default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port["protocol"] = port.get("protocol") or "TCP"
    obj.setdefault("endpoints", [])


def _prepare_create(obj: Object) -> None:
    obj["metadata"]["generation"] = 1


def _prepare_update(new: Object, old: Object) -> None:
    fields = ("endpoints", "ports", "addressType")
    changed = any(new.get(name) != old.get(name) for name in fields)
    new["metadata"]["generation"] = old["metadata"].get("generation", 1) + changed


def _validate(obj: Object, old: Object | None) -> list[Object]:
    kind = obj.get("addressType") or ""
    if not kind:
        return [required("addressType")]
    if kind not in _TYPES:
        return [unsupported("addressType", kind, _TYPES)]
    if old is not None and old.get("addressType") != kind:
        return [immutable("addressType", kind)]
    return [required(f"endpoints[{i}].addresses") for i, e in enumerate(obj["endpoints"]) if not e.get("addresses")]


_TYPES = ("FQDN", "IPv4", "IPv6")


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
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
)
