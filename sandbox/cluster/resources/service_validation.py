"""What a Service may say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from sandbox.cluster.api.names import label_faults, label_map_causes, subdomain_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import duplicate, immutable, invalid, required
from sandbox.cluster.resources.container_validation import (
    PORT_RANGE,
    PROTOCOLS,
    one_of_many,
    port_name_faults,
    valid_port,
)

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_MAX_AFFINITY = 86400


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _port(port: Object, at: str, *, named: bool) -> Iterator[Object]:
    if port.get("name"):
        yield from (invalid(f"{at}.name", port["name"], fault) for fault in label_faults(port["name"]))
    elif named:
        yield required(f"{at}.name")
    if not valid_port(port.get("port")):
        yield invalid(f"{at}.port", port.get("port") or 0, PORT_RANGE)
    yield from one_of_many(port.get("protocol"), f"{at}.protocol", PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, int) and not valid_port(target):
        yield invalid(f"{at}.targetPort", target, PORT_RANGE)
    if isinstance(target, str):
        yield from (invalid(f"{at}.targetPort", target, fault) for fault in port_name_faults(target))


def _ports(spec: Object) -> Iterator[Object]:
    ports = spec.get("ports") or ()
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    names, numbers, node_ports = set(), set(), set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        yield from _port(port, at, named=len(ports) > 1)
        if port.get("name") and port["name"] in names:
            yield duplicate(f"{at}.name", port["name"])
        names.add(port.get("name"))
        number = (port.get("protocol"), port.get("port"))
        if number in numbers:
            shown = {"protocol": number[0], "port": number[1]}
            yield duplicate(at, _shown(shown))
        numbers.add(number)
        node_port = (port.get("protocol"), port.get("nodePort"))
        if node_port[1]:
            if spec.get("type") == "ClusterIP":
                yield {
                    "reason": "FieldValueForbidden",
                    "message": "Forbidden: may not be used when `type` is 'ClusterIP'",
                    "field": f"{at}.nodePort",
                }
            if node_port in node_ports:
                yield duplicate(f"{at}.nodePort", node_port[1])
        node_ports.add(node_port)


def _shown(port: Object) -> object:
    class Port:
        def __str__(self) -> str:
            return (
                f'core.ServicePort{{Name:"", Protocol:"{port["protocol"]}", AppProtocol:(*string)(nil),'
                f" Port:{port['port']},"
                ' TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}'
            )

    return Port()


def _addresses(spec: Object) -> Iterator[Object]:
    address = spec.get("clusterIP")
    if address and address != "None" and not _is_address(address):
        why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        yield invalid("spec.clusterIPs[0]", address, why)
    for index, external in enumerate(spec.get("externalIPs") or ()):
        if not _is_address(external):
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield invalid(f"spec.externalIPs[{index}]", external, why)
    if spec.get("type") == "ExternalName":
        name = spec.get("externalName") or ""
        if not name:
            yield required("spec.externalName")
        else:
            yield from (invalid("spec.externalName", name, fault) for fault in subdomain_faults(name.rstrip(".")))
    if spec.get("type") in ("NodePort", "LoadBalancer") and address == "None":
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec['type']} services")


def service_causes(obj: Object, old: Object | None) -> list[Object]:
    """What is wrong with a Service, or with a change of one."""
    spec = obj["spec"]
    causes = one_of_many(spec.get("type"), "spec.type", TYPES)
    causes += _ports(spec)
    causes += label_map_causes(spec.get("selector") or {}, "spec.selector")
    causes += one_of_many(spec.get("sessionAffinity"), "spec.sessionAffinity", ("ClientIP", "None"))
    causes += _addresses(spec)
    before = (old or {}).get("spec", {})
    kept = before.get("type") != "ExternalName" and spec.get("type") != "ExternalName"
    if before.get("clusterIP") and kept and spec.get("clusterIP") != before["clusterIP"]:
        causes.append(immutable("spec.clusterIPs[0]", spec.get("clusterIP") or ""))
    return causes
