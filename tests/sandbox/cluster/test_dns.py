"""The cluster's DNS, asked as a resolver asks."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from sandbox.cluster.api.objects import Object
from sandbox.cluster.dns import DnsServer, Names
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import RESOURCES
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.store import Store


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    store = Store(tmp_path / "store.sqlite")
    made = Registry(store, RESOURCES)
    if not made.list(NAMESPACES, fields="metadata.name=default"):
        made.create(NAMESPACES, {"metadata": {"name": "default"}})
    yield made
    store.close()


@pytest.fixture
def server(registry: Registry) -> DnsServer:
    return DnsServer(Names(registry, chance=random.Random(1)))


def add(registry: Registry, name: str, **spec: Any) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    wanted = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": ports} | spec}
    registry.create(SERVICES, wanted, namespace="default")


def add_endpoints(registry: Registry, name: str, *endpoints: Object) -> None:
    wanted = {
        "metadata": {
            "name": f"{name}-abcde",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }
    registry.create(ENDPOINTSLICES, wanted, namespace="default")


def endpoint(address: str, *, ready: bool = True, hostname: str = "") -> Object:
    named = {"hostname": hostname} if hostname else {}
    return {"addresses": [address], "conditions": {"ready": ready}} | named


def ask(server: DnsServer, name: str, kind: str = "A", *, limit: int | None = None) -> tuple[str, list[str]]:
    packed = server.answer(bytes(DNSRecord.question(name, kind).pack()), limit=limit)
    assert packed is not None
    reply = DNSRecord.parse(packed)
    assert reply.header.qr == 1
    assert reply.header.aa == 1
    return RCODE.get(reply.header.rcode), [f"{QTYPE.get(record.rtype)} {record.rdata}" for record in reply.rr]


def test_a_service_has_its_address(registry: Registry, server: DnsServer) -> None:
    add(registry, "web", clusterIP="10.96.0.50")
    assert ask(server, "web.default.svc.cluster.local") == ("NOERROR", ["A 10.96.0.50"])
    assert ask(server, "WEB.Default.svc.cluster.local") == ("NOERROR", ["A 10.96.0.50"])
    assert ask(server, "web.default.svc.cluster.local", "AAAA") == ("NOERROR", [])
    assert ask(server, "50.0.96.10.in-addr.arpa", "PTR") == ("NOERROR", ["PTR web.default.svc.cluster.local."])


@pytest.mark.parametrize(
    "name",
    [
        "other.default.svc.cluster.local",
        "web.nowhere.svc.cluster.local",
        "nowhere.svc.cluster.local",
        "web.svc.cluster.local",
        "web.cluster.local",
        "web",
        "kubernetes.io",
        "a.b.c.d.default.svc.cluster.local",
        "10-244-0-2.web.default.svc.cluster.local",
        "9.9.96.10.in-addr.arpa",
        "x.default.pod.cluster.local",
    ],
)
def test_what_does_not_exist_is_said_not_to(registry: Registry, server: DnsServer, name: str) -> None:
    add(registry, "web", clusterIP="10.96.0.50")
    assert ask(server, name) == ("NXDOMAIN", [])


@pytest.mark.parametrize("name", ["cluster.local", "svc.cluster.local", "default.svc.cluster.local"])
def test_names_in_between_exist_without_records(server: DnsServer, name: str) -> None:
    assert ask(server, name) == ("NOERROR", [])


def test_a_headless_service_has_the_addresses_of_its_ready_pods(registry: Registry, server: DnsServer) -> None:
    add(registry, "db", clusterIP="None")
    add_endpoints(
        registry,
        "db",
        endpoint("10.244.0.2", hostname="db-0"),
        endpoint("10.244.0.3"),
        endpoint("10.244.0.4", ready=False, hostname="db-2"),
    )
    code, records = ask(server, "db.default.svc.cluster.local")
    assert (code, sorted(records)) == ("NOERROR", ["A 10.244.0.2", "A 10.244.0.3"])
    assert ask(server, "db-0.db.default.svc.cluster.local") == ("NOERROR", ["A 10.244.0.2"])
    assert ask(server, "10-244-0-3.db.default.svc.cluster.local") == ("NOERROR", ["A 10.244.0.3"])
    assert ask(server, "db-2.db.default.svc.cluster.local") == ("NXDOMAIN", [])
    assert ask(server, "2.0.244.10.in-addr.arpa", "PTR") == ("NOERROR", ["PTR db-0.db.default.svc.cluster.local."])
    assert ask(server, "_http._tcp.db.default.svc.cluster.local", "SRV") == (
        "NOERROR",
        [
            "SRV 0 100 8080 db-0.db.default.svc.cluster.local.",
            "SRV 0 100 8080 10-244-0-3.db.default.svc.cluster.local.",
        ],
    )


def test_unready_pods_are_published_where_the_service_says_so(registry: Registry, server: DnsServer) -> None:
    add(registry, "db", clusterIP="None", publishNotReadyAddresses=True)
    add_endpoints(registry, "db", endpoint("10.244.0.4", ready=False, hostname="db-2"))
    assert ask(server, "db-2.db.default.svc.cluster.local") == ("NOERROR", ["A 10.244.0.4"])


def test_a_named_port_has_a_service_record(registry: Registry, server: DnsServer) -> None:
    add(registry, "web", clusterIP="10.96.0.50")
    wanted = ("NOERROR", ["SRV 0 100 80 web.default.svc.cluster.local."])
    assert ask(server, "_http._tcp.web.default.svc.cluster.local", "SRV") == wanted
    assert ask(server, "_http._udp.web.default.svc.cluster.local", "SRV") == ("NXDOMAIN", [])


def test_an_external_name_is_an_alias_followed_inside_the_cluster(registry: Registry, server: DnsServer) -> None:
    add(registry, "web", clusterIP="10.96.0.50")
    add(registry, "outside", type="ExternalName", externalName="example.com")
    add(registry, "inside", type="ExternalName", externalName="web.default.svc.cluster.local")
    add(registry, "endless", type="ExternalName", externalName="endless.default.svc.cluster.local")
    assert ask(server, "outside.default.svc.cluster.local") == ("NOERROR", ["CNAME example.com."])
    assert ask(server, "inside.default.svc.cluster.local") == (
        "NOERROR",
        ["CNAME web.default.svc.cluster.local.", "A 10.96.0.50"],
    )
    assert ask(server, "endless.default.svc.cluster.local")[0] == "NOERROR"


def test_a_pod_has_a_name_made_of_its_address(server: DnsServer) -> None:
    assert ask(server, "10-244-0-7.default.pod.cluster.local") == ("NOERROR", ["A 10.244.0.7"])


def test_what_is_no_query_gets_no_answer(server: DnsServer) -> None:
    query = bytes(DNSRecord.question("web.default.svc.cluster.local").pack())
    reply = server.answer(query)
    assert reply is not None
    for packet in (b"", b"\0" * 11, query[:-3], b"\xff" * 600, reply, query[:12] + b"\xc0\x0c\0\1\0\1"):
        assert server.answer(packet) is None


def test_a_long_answer_is_cut_unless_the_asker_takes_it(registry: Registry, server: DnsServer) -> None:
    add(registry, "db", clusterIP="None")
    add_endpoints(registry, "db", *(endpoint(f"10.244.0.{host}") for host in range(2, 100)))
    query = bytes(DNSRecord.question("db.default.svc.cluster.local").pack())
    short = server.answer(query, limit=512)
    assert short is not None
    assert len(short) <= 512
    assert DNSRecord.parse(short).header.tc == 1
    whole = server.answer(query)
    assert whole is not None
    assert len(DNSRecord.parse(whole).rr) == 98


async def test_it_answers_on_udp_and_tcp(registry: Registry, server: DnsServer) -> None:
    add(registry, "web", clusterIP="10.96.0.50")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    running = asyncio.create_task(server.run("127.0.0.1", port))
    query = bytes(DNSRecord.question("web.default.svc.cluster.local").pack())
    async with asyncio.timeout(5):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
        writer.write(struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        assert str(DNSRecord.parse(await reader.readexactly(length)).rr[0].rdata) == "10.96.0.50"
        writer.close()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as client:
            client.connect(("127.0.0.1", port))
            await loop.sock_sendall(client, b"garbage")
            await loop.sock_sendall(client, query)
            assert str(DNSRecord.parse(await loop.sock_recv(client, 512)).rr[0].rdata) == "10.96.0.50"
    running.cancel()
