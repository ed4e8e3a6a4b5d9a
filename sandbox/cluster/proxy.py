"""Makes Services work: their addresses and node ports lead to ready pods, by nftables in the node's network.

Level-triggered: whatever changed, the whole table is written anew and replaced in one transaction. Connections that
stand are the kernel's and stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.endpoints import Backend, backends, slice_of
from sandbox.cluster.api.objects import Object
from sandbox.cluster.node_addresses import keeps_source, node_addresses, on_node
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.services import SERVICES
from sandbox.linux.netlink import Netlink

log = logging.getLogger(__name__)

TABLE = "quayside-services"
INTERVAL = 0.1
"""Seconds between two loads: nft takes some ms, and a rolling update changes endpoints many times a second."""
LONGEST_RETRY = 30.0
_LOOPBACK = 1
_PROTOCOLS = ("TCP", "UDP")


class ServiceProxy:
    """Keeps the table in step with Services and EndpointSlices."""

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        service_cidr: str = "10.96.0.0/12",
        own_addresses: Sequence[str] = ("10.96.0.10",),
    ) -> None:
        """`own_addresses` lie in the Service range but are served by the node itself: DNS."""
        self._registry = registry
        self._clock = clock
        self._service_cidr = service_cidr
        self._own_addresses = own_addresses
        self._changed = asyncio.Event()
        self._loaded = ""

    async def run(self) -> None:
        """Work until cancelled."""
        stops = [self._registry.watch(resource, self._note) for resource in (SERVICES, ENDPOINTSLICES, NODES)]
        self._changed.set()
        delay = INTERVAL
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if await self.sync():
                    delay = INTERVAL
                else:
                    delay = min(delay * 2, LONGEST_RETRY)
                    self._changed.set()
                await self._clock.sleep(delay)
        finally:
            for stop in stops:
                stop()

    def _note(self, _change: Change) -> None:
        self._changed.set()

    async def sync(self) -> bool:
        """Load the table that the objects want, unless it is loaded; whether that went well."""
        wanted = Wanted.of(
            self._registry.list(SERVICES),
            self._registry.list(ENDPOINTSLICES),
            nodes=node_addresses(self._registry.list(NODES)),
            own=self._own_addresses,
        )
        text = ruleset(wanted, service_cidr=self._service_cidr, own=self._own_addresses)
        if text == self._loaded:
            return True
        _add_routes(wanted.outside(self._service_cidr))
        problem = await load(text)
        if problem:
            log.error("nft refused the Services' table: %s", problem)
            return False
        self._loaded = text
        targets = sum(len(found) for found, _ in wanted.chains.values())
        log.info('"Reloaded the service rules" addresses=%d endpoints=%d', len(wanted.served), targets)
        return True


async def load(text: str) -> str:
    """Load a ruleset in one transaction; what nft says against it, or nothing."""
    process = await asyncio.create_subprocess_exec(
        "nft",
        "-f",
        "-",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate(text.encode())
    if process.returncode == 0:
        return ""
    return said.decode("utf-8", "replace").strip()[:500] or f"status {process.returncode}"


async def unload() -> None:
    """Take the table away: the cluster is stopped and its Services answer no more."""
    await load(f"table ip {TABLE}\ndelete table ip {TABLE}\n")


def _add_routes(addresses: Sequence[str]) -> None:
    """Let the node send to addresses of load balancers, which are nowhere: without a route it would not even try."""
    with Netlink() as netlink:
        for address in addresses:
            with contextlib.suppress(OSError):
                netlink.add_route(address, 32, index=_LOOPBACK)


Entry = tuple[str, str, int]
"""Address, protocol (tcp, udp), port."""


@dataclass
class Wanted:
    """What the objects want, resolved."""

    served: dict[Entry, str] = field(default_factory=dict)
    """Addresses of Services that lead somewhere, with the chain that they lead to."""
    refused: set[Entry] = field(default_factory=set)
    """Addresses of Services that lead nowhere now."""
    node_ports: dict[tuple[str, int], str] = field(default_factory=dict)
    nodes: Mapping[str, str] = field(default_factory=dict)
    """The nodes' addresses with their names."""
    local_ports: dict[Entry, str] = field(default_factory=dict)
    """Node ports that lead only to pods of their node (externalTrafficPolicy: Local): a chain, or nothing to drop."""
    translated: dict[Entry, str] = field(default_factory=dict)
    """Node ports whose traffic gets the node's address as its sender (externalTrafficPolicy: Cluster)."""
    balanced: dict[Entry, str] = field(default_factory=dict)
    """The same for addresses of load balancers, where a pod of this cluster that asks keeps its own."""
    chains: dict[str, tuple[Sequence[Backend], bool]] = field(default_factory=dict)
    """Chain → where it leads, and whether a client stays with one of them (sessionAffinity)."""

    @classmethod
    def of(
        cls, services: Sequence[Object], slices: Sequence[Object], *, nodes: Mapping[str, str], own: Sequence[str]
    ) -> Wanted:
        """Bring Services and their slices together."""
        by_service: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for one in slices:
            by_service[slice_of(one)].append(one)
        wanted = cls(nodes=nodes)
        for service in services:
            metadata, spec = service["metadata"], service["spec"]
            key = (metadata.get("namespace", ""), metadata["name"])
            if spec.get("type") == "ExternalName":
                continue
            addresses = [address for address in _addresses(service) if address not in own]
            for port in spec.get("ports") or ():
                wanted._add(key, spec, port, addresses=addresses, slices=by_service.get(key, ()))
                wanted._add_policy(key, service, port, slices=by_service.get(key, ()))
        return wanted

    def _add(
        self,
        key: tuple[str, str],
        spec: Object,
        port: Object,
        *,
        addresses: Sequence[str],
        slices: Sequence[Object],
    ) -> None:
        protocol = port.get("protocol", "TCP")
        if protocol not in _PROTOCOLS:
            return
        name = port.get("name") or ""
        found = backends(slices, port=name, protocol=protocol)
        entries = [(address, protocol.lower(), int(port["port"])) for address in addresses]
        if not found:
            self.refused.update(entries)
            return
        chain = _chain_name(*key, name, protocol)
        self.chains[chain] = (found, spec.get("sessionAffinity") == "ClientIP")
        self.served.update(dict.fromkeys(entries, chain))
        if port.get("nodePort"):
            self.node_ports[protocol.lower(), int(port["nodePort"])] = chain

    def _add_policy(self, key: tuple[str, str], service: Object, port: Object, *, slices: Sequence[Object]) -> None:
        """What happens on each node to traffic that comes from outside."""
        spec, protocol, number = service["spec"], port.get("protocol", "TCP"), port.get("nodePort")
        name = port.get("name") or ""
        if protocol not in _PROTOCOLS or spec.get("type") not in ("NodePort", "LoadBalancer"):
            return
        local = keeps_source(service)
        for address, node in self.nodes.items():
            if not number:
                break
            entry = (address, protocol.lower(), int(number))
            if not local:
                self.translated[entry] = address
                continue
            found = backends(on_node(slices, node), port=name, protocol=protocol)
            chain = _chain_name(*key, f"{name}@{node}", protocol) if found else ""
            self.local_ports[entry] = chain
            if found:
                self.chains[chain] = (found, spec.get("sessionAffinity") == "ClientIP")
        if not local and self.nodes:
            first = min(self.nodes, key=ipaddress.IPv4Address)
            for address in _balancers(service):
                self.balanced[address, protocol.lower(), int(port["port"])] = first

    def outside(self, service_cidr: str) -> Sequence[str]:
        """Addresses that do not lie in the Services' range, so that nothing else brings them to this node."""
        network = ipaddress.IPv4Network(service_cidr)
        addresses = {address for address, _, _ in (*self.served, *self.refused)}
        return sorted(address for address in addresses if ipaddress.IPv4Address(address) not in network)


def _addresses(service: Object) -> Iterator[str]:
    """Every IPv4 address at which the Service can be reached, as long as it is one."""
    spec = service["spec"]
    yield from _parsed([spec.get("clusterIP"), *(spec.get("externalIPs") or ())])
    yield from _balancers(service)


def _balancers(service: Object) -> Iterator[str]:
    """The addresses of the Service's load balancer."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    yield from _parsed([entry.get("ip") for entry in ingress])


def _parsed(texts: Sequence[str | None]) -> Iterator[str]:
    """What is an IPv4 address; this comes from the learner, and nothing else may become part of a ruleset."""
    for text in texts:
        with contextlib.suppress(ValueError):
            yield str(ipaddress.IPv4Address(text or ""))


def _chain_name(namespace: str, name: str, port: str, protocol: str) -> str:
    """A name of our own making: what people call their Services never becomes part of a ruleset."""
    return "svc-" + hashlib.sha256(f"{namespace}/{name}/{port}/{protocol}".encode()).hexdigest()[:16]


def ruleset(wanted: Wanted, *, service_cidr: str, own: Sequence[str]) -> str:
    """The whole table as nft reads it, replacing the one before."""
    lines = [f"table ip {TABLE}", f"delete table ip {TABLE}", f"table ip {TABLE} {{"]
    for chain, (found, sticky) in sorted(wanted.chains.items()):
        lines += _service_chain(chain, found, sticky=sticky)
    served = {_concatenated(entry): chain for entry, chain in wanted.served.items()}
    lines += _map("services", "ipv4_addr . inet_proto . inet_service : verdict", served)
    node_ports = {_concatenated(entry): chain for entry, chain in wanted.node_ports.items()}
    lines += _map("nodeports", "inet_proto . inet_service : verdict", node_ports)
    local_ports = {_concatenated(entry): chain for entry, chain in wanted.local_ports.items()}
    lines += _map("localports", "ipv4_addr . inet_proto . inet_service : verdict", local_ports)
    marks = {address: number for number, address in enumerate(sorted(wanted.nodes), start=1)}
    for name, entries in (("translated", wanted.translated), ("balanced", wanted.balanced)):
        lines += _marks(name, {_concatenated(entry): marks[address] for entry, address in entries.items()})
    senders = ", ".join(f"{number} : {address}" for address, number in marks.items()) or "0 : 127.0.0.1"
    lines += _set(
        "refused", "ipv4_addr . inet_proto . inet_service", [_concatenated(entry) for entry in wanted.refused]
    )
    pods = {backend.address for found, _ in wanted.chains.values() for backend in found}
    lines += _set("hairpin", "ipv4_addr . ipv4_addr", [f"{pod} . {pod}" for pod in pods])
    lines += _HOOKS.format(services=service_cidr, own=", ".join(own), senders=senders).splitlines()
    lines.append("}")
    return "\n".join(lines) + "\n"


_HOOKS = """\
  chain dispatch {{
    ct mark set ip daddr . meta l4proto . th dport map @translated
    ip daddr . meta l4proto . th dport vmap @services
    ip daddr . meta l4proto . th dport vmap @localports
    fib daddr type local meta l4proto . th dport vmap @nodeports
  }}
  chain prerouting {{
    type nat hook prerouting priority -100
    jump dispatch
  }}
  chain output {{
    type nat hook output priority -100
    ct mark set ip daddr . meta l4proto . th dport map @balanced
    jump dispatch
  }}
  chain postrouting {{
    type nat hook postrouting priority 100
    ct status dnat ip saddr 127.0.0.0/8 masquerade
    ct status dnat ct mark != 0 snat to ct mark map {{ {senders} }}
    ct status dnat ip saddr . ip daddr @hairpin masquerade
  }}
  chain refuse {{
    ip daddr {{ {own} }} return
    ip daddr {services} meta l4proto tcp reject with tcp reset
    ip daddr {services} reject
    ip daddr . meta l4proto . th dport @refused meta l4proto tcp reject with tcp reset
    ip daddr . meta l4proto . th dport @refused reject
  }}
  chain filter-input {{
    type filter hook input priority 0
    ip daddr 127.0.0.0/8 ip saddr != 127.0.0.0/8 iif != lo ct direction original drop
  }}
  chain filter-output {{
    type filter hook output priority 0
    jump refuse
  }}
  chain filter-forward {{
    type filter hook forward priority 0
    jump refuse
  }}"""


def _service_chain(chain: str, found: Sequence[Backend], *, sticky: bool) -> Iterator[str]:
    # Without a hash's state to lose, a client keeps its pod over reloads as long as the number of pods is the same.
    choice = f"jhash ip saddr mod {len(found)}" if sticky else f"numgen random mod {len(found)}"
    targets = ", ".join(f"{number} : {one.address} . {one.port}" for number, one in enumerate(found))
    yield f"  chain {chain} {{"
    yield f"    meta l4proto {{ tcp, udp }} dnat ip to {choice} map {{ {targets} }}"
    yield "  }"


def _concatenated(parts: tuple[str | int, ...]) -> str:
    return " . ".join(str(part) for part in parts)


def _map(name: str, kind: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f"  map {name} {{"
    yield f"    type {kind}"
    if entries:
        elements = sorted(f"{key} : {f'goto {chain}' if chain else 'drop'}" for key, chain in entries.items())
        yield f"    elements = {{ {', '.join(elements)} }}"
    yield "  }"


def _marks(name: str, entries: Mapping[str, int]) -> Iterator[str]:
    yield f"  map {name} {{"
    yield "    type ipv4_addr . inet_proto . inet_service : mark"
    if entries:
        yield f"    elements = {{ {', '.join(sorted(f'{key} : {number}' for key, number in entries.items()))} }}"
    yield "  }"


def _set(name: str, kind: str, elements: Sequence[str]) -> Iterator[str]:
    yield f"  set {name} {{"
    yield f"    type {kind}"
    if elements:
        yield f"    elements = {{ {', '.join(sorted(elements))} }}"
    yield "  }"
