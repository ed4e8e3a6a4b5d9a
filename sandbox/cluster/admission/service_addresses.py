"""Addresses of Services: a cluster IP and node ports, taken from what no other Service has."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.names import invalid_value
from sandbox.cluster.api.objects import Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_ATTEMPTS = 64


class ServiceAddresses:
    """Allocates at creation and when a Service changes its type; what a Service has it keeps.

    Nothing is remembered: the Services that exist are the allocation.
    """

    def __init__(self, service_cidr: str, node_ports: tuple[int, int], *, chance: random.Random) -> None:
        self._network = ipaddress.IPv4Network(service_cidr)
        self._first, self._last = node_ports
        self._chance = chance

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Fill in what the Service's type needs. Raises Invalid when what it asks for is taken or outside the range."""
        if resource.qualified != "services":
            return
        spec = new["spec"] = new.get("spec") or {}
        kind = spec.get("type", "ClusterIP")
        own = "" if old is None else old["metadata"]["uid"]
        others = [other for other in registry.list(resource) if other["metadata"]["uid"] != own]
        if kind == "ExternalName":
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
        else:
            self._address(resource, new, old, others)
        self._ports(resource, new, old, others)
        self._health_port(resource, new, old, others)

    def _address(self, resource: Resource, new: Object, old: Object | None, others: Iterable[Object]) -> None:
        spec = new["spec"]
        address = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if not address and old is not None:
            address = old["spec"].get("clusterIP", "")
        if address != "None":
            taken = {other["spec"].get("clusterIP") for other in others}
            if not address:
                address = self._free_address(taken)
            elif old is None or old["spec"].get("clusterIP") != address:
                self._check_address(resource, new, address, taken)
        spec["clusterIP"], spec["clusterIPs"] = address, [address]

    def _free_address(self, taken: set[str]) -> str:
        # The lower part is kept for addresses that are asked for, such as that of DNS.
        reserved = min(max(16, self._network.num_addresses // 16), 256)
        for _ in range(_ATTEMPTS):
            found = str(self._network[self._chance.randrange(reserved, self._network.num_addresses - 1)])
            if found not in taken:
                return found
        return next(str(address) for address in self._network.hosts() if str(address) not in taken)

    def _check_address(self, resource: Resource, new: Object, address: str, taken: set[str]) -> None:
        why = ""
        try:
            if ipaddress.ip_address(address) not in self._network:
                why = (
                    "failed to allocate IP "
                    f"{address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is"
                    f" {self._network}"
                )
        except ValueError:
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        if not why and address in taken:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
        if why:
            raise Invalid(resource, new["metadata"].get("name", ""), [invalid_value("spec.clusterIPs", [address], why)])

    def _ports(self, resource: Resource, new: Object, old: Object | None, others: Iterable[Object]) -> None:
        spec = new["spec"]
        ports = spec.get("ports") or []
        if spec.get("type") not in ("NodePort", "LoadBalancer") or spec.get("allocateLoadBalancerNodePorts") is False:
            _drop_inherited(ports, old)
            return
        taken = {(one.get("nodePort"), one.get("protocol", "TCP")) for other in others for one in _ports_of(other)}
        before = {one.get("nodePort") for one in _ports_of(old)}
        for index, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            wanted = port.get("nodePort") or _same_port(port, old)
            if not wanted:
                wanted = self._free_port({number for number, _ in taken if number})
            elif wanted not in before:
                self._check_port(resource, new, index, wanted, taken=(wanted, protocol) in taken)
            port["nodePort"] = wanted
            taken.add((wanted, protocol))

    def _health_port(self, resource: Resource, new: Object, old: Object | None, others: Iterable[Object]) -> None:
        """A load balancer that keeps the source asks each node whether it has endpoints: at a port of its own."""
        spec = new["spec"]
        if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
            spec.pop("healthCheckNodePort", None)
            return
        before = 0 if old is None else old["spec"].get("healthCheckNodePort") or 0
        wanted = spec.get("healthCheckNodePort") or before
        if before and wanted != before:
            cause = invalid_value("spec.healthCheckNodePort", wanted, "field is immutable")
            raise Invalid(resource, new["metadata"].get("name", ""), [cause])
        taken = {one.get("nodePort") for other in (*others, new) for one in _ports_of(other)}
        taken |= {other["spec"].get("healthCheckNodePort") for other in others}
        if wanted in taken:
            why = "provided port is already allocated"
            cause = invalid_value("spec.healthCheckNodePort", wanted, why)
            raise Invalid(resource, new["metadata"].get("name", ""), [cause])
        spec["healthCheckNodePort"] = wanted or self._free_port({number for number in taken if number})

    def _free_port(self, taken: set[int]) -> int:
        for _ in range(_ATTEMPTS):
            found = self._chance.randint(self._first, self._last)
            if found not in taken:
                return found
        return next(port for port in range(self._first, self._last + 1) if port not in taken)

    def _check_port(self, resource: Resource, new: Object, index: int, port: int, *, taken: bool) -> None:
        why = "provided port is already allocated" if taken else ""
        if not self._first <= port <= self._last:
            why = f"provided port is not in the valid range. The range of valid ports is {self._first}-{self._last}"
        if why:
            cause = invalid_value(f"spec.ports[{index}].nodePort", port, why)
            raise Invalid(resource, new["metadata"].get("name", ""), [cause])


def _ports_of(service: Object | None) -> list[Object]:
    return list(((service or {}).get("spec") or {}).get("ports") or ())


def _same_port(port: Object, old: Object | None) -> int:
    """The node port that the same port had before."""
    for before in _ports_of(old):
        same = before.get("name") == port.get("name") and before.get("port") == port.get("port")
        if same and before.get("protocol", "TCP") == port.get("protocol", "TCP"):
            return int(before.get("nodePort") or 0)
    return 0


def _drop_inherited(ports: list[Object], old: Object | None) -> None:
    """A type without node ports loses those that came with the old type."""
    before = {one.get("nodePort") for one in _ports_of(old)}
    for port in ports:
        if port.get("nodePort") in before:
            port.pop("nodePort", None)
