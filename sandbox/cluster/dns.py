"""The cluster's DNS: Services, the pods behind them and ExternalNames, straight from the registry, as CoreDNS answers.

Everything outside the cluster's domain does not exist here, and is said not to at once: a sandbox has no internet, and
a program that waits for an answer looks broken.
"""

# mypy: allow-untyped-calls
# dnslib has no annotations.

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import struct
from collections.abc import Iterator, Sequence
from typing import cast

from dnslib import (
    CLASS,
    CNAME,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSHeader,
    DNSRecord,
)

from sandbox.cluster.api.endpoints import SERVICE_LABEL, backends, named
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.services import SERVICES

log = logging.getLogger(__name__)

TTL = 30
PORT = 53
_UDP_BYTES = 512
_EDNS_BYTES = 4096
_TCP_SECONDS = 5.0
_TCP_CLIENTS = 64
_ALIASES = 4
"""How many ExternalNames in a row are followed."""


class NoSuchName(Exception):
    """NXDOMAIN."""


class Names:
    """What each name means, by DNS's own rules for Kubernetes (its specification, version 1.1.0)."""

    def __init__(self, registry: Registry, *, domain: str = "cluster.local", chance: random.Random) -> None:
        self._registry = registry
        self._zone = tuple(domain.split("."))
        self._chance = chance

    def resolve(self, name: str, kind: str) -> Sequence[RR]:
        """The records of that kind; none when the name has only others. Raises NoSuchName."""
        records: list[RR] = []
        for _ in range(_ALIASES):
            found = self._resolve(name.lower().rstrip("."), kind)
            records += found
            alias = next((record for record in found if record.rtype == QTYPE.CNAME), None)
            if alias is None or kind == "CNAME":
                break
            name = str(alias.rdata.label)
            if not self._is_ours(name.rstrip(".").split(".")):
                break
        return records

    def _is_ours(self, labels: Sequence[str]) -> bool:
        return tuple(labels[-len(self._zone) :]) == self._zone

    def _resolve(self, name: str, kind: str) -> Sequence[RR]:
        labels = name.split(".")
        if labels[-2:] == ["in-addr", "arpa"]:
            return self._reverse(name, labels[:-2], kind)
        if not self._is_ours(labels):
            raise NoSuchName(name)
        own = labels[: -len(self._zone)]
        if not own or own in (["svc"], ["pod"]):
            return ()
        if own == ["dns-version"]:
            return [RR(name, QTYPE.TXT, rdata=TXT("1.1.0"), ttl=TTL)] if kind == "TXT" else ()
        if own[-1] == "svc":
            return self._service_name(name, own[:-1], kind)
        if own[-1] == "pod":
            return self._pod_name(name, own[:-1], kind)
        raise NoSuchName(name)

    def _service_name(self, name: str, labels: Sequence[str], kind: str) -> Sequence[RR]:
        *rest, namespace = labels
        if not rest:
            if self._registry.find(NAMESPACES, Key("", namespace)) is None:
                raise NoSuchName(name)
            return ()
        *rest, service_name = rest
        service = self._registry.find(SERVICES, Key(namespace, service_name))
        if service is None:
            raise NoSuchName(name)
        if not rest:
            return self._service(name, service, kind)
        if len(rest) == 1:
            return self._endpoint(name, service, rest[0], kind)
        if len(rest) == 2 and all(label.startswith("_") for label in rest):
            return self._port(name, service, rest[0][1:], rest[1][1:], kind)
        raise NoSuchName(name)

    def _service(self, name: str, service: Object, kind: str) -> Sequence[RR]:
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            target = spec["externalName"].rstrip(".") + "."
            return [RR(name, QTYPE.CNAME, rdata=CNAME(target), ttl=TTL)]
        if _is_headless(service):
            addresses = sorted(
                {address for _, endpoint in self._endpoints(service) for address in endpoint["addresses"]}
            )
            if not addresses:
                raise NoSuchName(name)
            self._chance.shuffle(addresses)
        else:
            addresses = [spec["clusterIP"]]
        if kind == "SRV":
            return self._service_ports(name, service)
        return _addresses(name, addresses, kind)

    def _endpoints(self, service: Object) -> Iterator[tuple[Object, Object]]:
        unready = bool(service["spec"].get("publishNotReadyAddresses"))
        return named(self._slices(service), unready=unready)

    def _slices(self, service: Object) -> Sequence[Object]:
        metadata = service["metadata"]
        return self._registry.list(
            ENDPOINTSLICES, namespace=metadata["namespace"], labels=f"{SERVICE_LABEL}={metadata['name']}"
        )

    def _endpoint(self, name: str, service: Object, hostname: str, kind: str) -> Sequence[RR]:
        addresses = [
            address
            for _, endpoint in self._endpoints(service)
            for address in endpoint["addresses"]
            if hostname == _hostname(endpoint, address)
        ]
        if not addresses or not _is_headless(service):
            raise NoSuchName(name)
        return _addresses(name, addresses, kind)

    def _port(self, name: str, service: Object, port: str, protocol: str, kind: str) -> Sequence[RR]:
        found = [
            entry
            for entry in service["spec"].get("ports") or ()
            if entry.get("name") == port and entry.get("protocol", "TCP").lower() == protocol
        ]
        if not found:
            raise NoSuchName(name)
        return self._srv(name, service, found) if kind == "SRV" else ()

    def _service_ports(self, name: str, service: Object) -> Sequence[RR]:
        return self._srv(name, service, service["spec"].get("ports") or ())

    def _srv(self, name: str, service: Object, ports: Sequence[Object]) -> Sequence[RR]:
        host = self._host_of(service)
        records = []
        for port in ports:
            if not _is_headless(service):
                records.append(_srv_record(name, int(port["port"]), host))
                continue
            known = {
                (address, _hostname(endpoint, address))
                for _, endpoint in self._endpoints(service)
                for address in endpoint["addresses"]
            }
            slices, protocol = self._slices(service), port.get("protocol", "TCP")
            for backend in backends(slices, port=port.get("name") or "", protocol=protocol):
                targets = [label for address, label in sorted(known) if address == backend.address]
                records += [_srv_record(name, backend.port, f"{label}.{host}") for label in targets]
        return records

    def _host_of(self, service: Object) -> str:
        metadata = service["metadata"]
        return ".".join((metadata["name"], metadata["namespace"], "svc", *self._zone))

    def _pod_name(self, name: str, labels: Sequence[str], kind: str) -> Sequence[RR]:
        if len(labels) != 2:
            raise NoSuchName(name)
        try:
            address = str(ipaddress.IPv4Address(labels[0].replace("-", ".")))
        except ValueError as error:
            raise NoSuchName(name) from error
        return _addresses(name, [address], kind)

    def _reverse(self, name: str, labels: Sequence[str], kind: str) -> Sequence[RR]:
        address = ".".join(reversed(labels))
        hosts = [
            self._host_of(service)
            for service in self._registry.list(SERVICES)
            if service["spec"].get("clusterIP") == address
        ]
        if not hosts:
            hosts = list(self._endpoint_hosts(address))
        if not hosts:
            raise NoSuchName(name)
        return [RR(name, QTYPE.PTR, rdata=PTR(host), ttl=TTL) for host in hosts] if kind == "PTR" else ()

    def _endpoint_hosts(self, address: str) -> Iterator[str]:
        for one, endpoint in named(self._registry.list(ENDPOINTSLICES), unready=True):
            if address not in endpoint["addresses"]:
                continue
            metadata = one["metadata"]
            key = Key(metadata["namespace"], (metadata.get("labels") or {}).get(SERVICE_LABEL, ""))
            service = self._registry.find(SERVICES, key)
            if service is not None and _is_headless(service):
                yield f"{_hostname(endpoint, address)}.{self._host_of(service)}"


def _is_headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP", "None") == "None")


def _hostname(endpoint: Object, address: str) -> str:
    """The label under which an endpoint is known: its pod's hostname, or else its address with dashes."""
    return str(endpoint.get("hostname") or address.replace(".", "-"))


def _addresses(name: str, addresses: Sequence[str], kind: str) -> Sequence[RR]:
    return [RR(name, QTYPE.A, rdata=A(address), ttl=TTL) for address in addresses] if kind in ("A", "ANY") else ()


def _srv_record(name: str, port: int, target: str) -> RR:
    return RR(name, QTYPE.SRV, rdata=SRV(0, 100, port, target), ttl=TTL)


class DnsServer:
    """Answers on UDP and TCP."""

    def __init__(self, names: Names, *, domain: str = "cluster.local") -> None:
        self._names = names
        self._domain = domain
        self._clients = 0

    async def run(self, address: str = "10.96.0.10", port: int = PORT) -> None:
        """Serve until cancelled. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(address, port))
        try:
            server = await asyncio.start_server(self._serve_stream, address, port)
            log.info("serving %s on %s:%d", self._domain, address, port)
            async with server:
                await server.serve_forever()
        finally:
            transport.close()

    def answer(self, packet: bytes, *, limit: int | None = None) -> bytes | None:
        """The answer to a query, cut to what its sender takes; None for what is none."""
        try:
            query = DNSRecord.parse(packet)
            if query.header.qr or len(query.questions) != 1:
                return None
            reply = self._reply(query)
            packed = bytes(reply.pack())
            if limit is not None and len(packed) > _accepted(query, limit):
                packed = bytes(reply.truncate().pack())
            log.info("%s %s %d answers", query.q, RCODE.get(reply.header.rcode), len(reply.rr))
            return packed
        except (DNSError, struct.error, ValueError, LookupError, UnicodeError) as error:
            log.debug("not a query: %s", error)
            return None

    def _reply(self, query: DNSRecord) -> DNSRecord:
        question = query.q
        header = DNSHeader(id=query.header.id, bitmap=query.header.bitmap, qr=1, aa=1, ra=1)
        reply = DNSRecord(header, q=question)
        if question.qclass != CLASS.IN:
            reply.header.rcode = RCODE.REFUSED
            return reply
        name = str(question.qname)
        try:
            records = self._names.resolve(name, QTYPE.get(question.qtype))
        except NoSuchName:
            reply.header.rcode = RCODE.NXDOMAIN
            records = ()
        for record in records:
            reply.add_answer(record)
        if not records:
            reply.add_auth(RR(self._domain, QTYPE.SOA, rdata=_authority(self._domain), ttl=TTL))
        return reply

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= _TCP_CLIENTS:
            writer.close()
            return
        self._clients += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                while True:
                    async with asyncio.timeout(_TCP_SECONDS):
                        (length,) = struct.unpack("!H", await reader.readexactly(2))
                        packed = self.answer(await reader.readexactly(length))
                        if packed is None:
                            return
                        writer.write(struct.pack("!H", len(packed)) + packed)
                        await writer.drain()
        finally:
            self._clients -= 1
            writer.close()


def _accepted(query: DNSRecord, limit: int) -> int:
    sizes = [record.edns_len for record in query.ar if record.rtype == QTYPE.OPT]
    return int(min(max([limit, *sizes]), _EDNS_BYTES))


def _authority(domain: str) -> SOA:
    return SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", (1, 7200, 1800, 86400, TTL))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport does not say that it is one.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packed = self._server.answer(data, limit=_UDP_BYTES)
        if packed is not None and self._transport is not None:
            self._transport.sendto(packed, addr)
