"""Services."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import label_1035_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import AGE, NAME, NONE, age, label_text, wide
from sandbox.cluster.resources.resource import Column, Resource


def _external(obj: Object) -> str:
    spec = obj["spec"]
    addresses = ",".join(spec.get("externalIPs") or ())
    kind = spec.get("type", "ClusterIP")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind != "LoadBalancer":
        return addresses or NONE
    ingress = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    given = sorted({i.get("ip") or i.get("hostname") or "" for i in ingress} - {""})
    if addresses:
        given += addresses.split(",")
    return ",".join(given) or "<pending>"


def _ports(spec: Object) -> str:
    texts = []
    for port in spec.get("ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _cells(obj: Object, now: datetime) -> list[object]:
    spec = obj["spec"]
    addresses = spec.get("clusterIPs") or ()
    return [
        obj["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        (addresses[0] if addresses else spec.get("clusterIP")) or NONE,
        _external(obj),
        _ports(spec),
        age(obj, now),
        label_text(spec.get("selector")),
    ]


SERVICES = Resource(
    kind="Service",
    plural="services",
    short_names=("svc",),
    categories=("all",),
    subresources=("proxy", "status"),
    columns=(
        NAME,
        Column("Type"),
        Column("Cluster-IP"),
        Column("External-IP"),
        Column("Port(s)"),
        AGE,
        wide("Selector"),
    ),
    cells=_cells,
    name_faults=label_1035_faults,
    selectable_fields=("spec.clusterIP", "spec.type"),
)
