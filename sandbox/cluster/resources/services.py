"""Services."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.names import label_1035_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.field_order import SERVICE_SPEC, reorder
from sandbox.cluster.resources.printing import AGE, NAME, NONE, age, label_text, wide
from sandbox.cluster.resources.resource import Column, Resource
from sandbox.cluster.resources.service_validation import service_causes


def _default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["type"] = spec.get("type") or "ClusterIP"
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if port.get("targetPort") in (None, "", 0):
            port["targetPort"] = port.get("port")
        reorder(port, _PORT)
    if spec["type"] != "ExternalName":
        spec["internalTrafficPolicy"] = spec.get("internalTrafficPolicy") or "Cluster"
        spec.setdefault("ipFamilies", ["IPv4"])
        spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or "SingleStack"
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec["externalTrafficPolicy"] = spec.get("externalTrafficPolicy") or "Cluster"
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    reorder(spec, SERVICE_SPEC)


_PORT = ("name", "protocol", "appProtocol", "port", "targetPort", "nodePort")


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def _prepare_update(new: Object, old: Object) -> None:
    """Keep what was allocated where the client says nothing, and drop what the new type has not."""
    spec, before = new["spec"], old["spec"]
    if spec["type"] == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(name, None)
    elif before["type"] != "ExternalName":
        for name in ("clusterIP", "clusterIPs"):
            if not spec.get(name) and before.get(name):
                spec[name] = before[name]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _keep_node_ports(spec, before)
    else:
        _drop_node_ports(spec, before)
    reorder(spec, SERVICE_SPEC)


def _keep_node_ports(spec: Object, before: Object) -> None:
    known = {(p.get("protocol"), p.get("port")): p.get("nodePort") for p in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        node_port = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and node_port:
            port["nodePort"] = node_port


def _drop_node_ports(spec: Object, before: Object) -> None:
    """A service that is no longer reached through nodes has no such ports, unless the client newly asks for one."""
    had = {p.get("nodePort") for p in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        if port.get("nodePort") in had:
            port.pop("nodePort", None)
    if before["type"] in ("NodePort", "LoadBalancer"):
        for name in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
            spec.pop(name, None)


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
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=service_causes,
    name_faults=label_1035_faults,
    selectable_fields=("spec.clusterIP", "spec.type"),
)
