"""Services by nftables: with the real nft and real connections, in a network of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.cluster import proxy
from sandbox.cluster.api.clock import SystemClock
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.kubelet.network import PodNetwork
from sandbox.cluster.proxy import ServiceProxy, Wanted, ruleset
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import RESOURCES
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.store import Store
from sandbox.linux import layout, network_namespace
from sandbox.linux.netlink import Netlink
from tests.sandbox.inside import inside


def service(name: str, address: str, *, node_port: int = 0, **spec: Any) -> Object:
    port = {"port": 80, "targetPort": 8080, "protocol": "TCP"} | ({"nodePort": node_port} if node_port else {})
    kind = "NodePort" if node_port else "ClusterIP"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": address, "type": kind, "ports": [port]} | spec,
    }


def endpoint_slice(name: str, conditions: Mapping[str, Mapping[str, bool]], *, port: int = 8080) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-abcde",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [one], "conditions": dict(state)} for one, state in conditions.items()],
    }


READY = {"ready": True, "serving": True, "terminating": False}
UNREADY = {"ready": False, "serving": False, "terminating": False}
ENDING = {"ready": False, "serving": True, "terminating": True}


def text_of(services: Sequence[Object], slices: Sequence[Object]) -> str:
    return ruleset(
        Wanted.of(services, slices, nodes={}, own=("10.96.0.10",)), service_cidr="10.96.0.0/12", own=("10.96.0.10",)
    )


def test_only_ready_pods_are_behind_a_service() -> None:
    slices = [endpoint_slice("web", {"10.244.0.2": READY, "10.244.0.3": UNREADY, "10.244.0.4": ENDING})]
    text = text_of([service("web", "10.96.0.50")], slices)
    assert "map { 0 : 10.244.0.2 . 8080 }" in text
    assert "10.244.0.3" not in text
    assert "10.244.0.4" not in text


def test_when_none_is_ready_what_ends_still_serves() -> None:
    slices = [endpoint_slice("web", {"10.244.0.3": UNREADY, "10.244.0.4": ENDING})]
    assert "map { 0 : 10.244.0.4 . 8080 }" in text_of([service("web", "10.96.0.50")], slices)


def test_the_nodes_own_dns_is_left_to_the_node() -> None:
    slices = [endpoint_slice("dns", {"10.244.0.2": READY})]
    text = text_of([service("dns", "10.96.0.10")], slices)
    assert "10.96.0.10 . tcp" not in text


def test_what_learners_write_never_becomes_rules() -> None:
    hostile = service("x", "10.96.0.51; flush ruleset", externalIPs=["1.2.3.4 }", "2.3.4.5"])
    hostile["metadata"]["name"] = 'x { } "; delete'
    hostile["spec"]["ports"][0]["name"] = "} flush"
    text = text_of([hostile], [])
    assert "flush" not in text
    assert "2.3.4.5 . tcp . 80" in text


class Node:
    """A node's network with pods that answer with their own name."""

    def __init__(self) -> None:
        self.network = PodNetwork(layout.CLUSTER / "netns")
        self.network.prepare()
        with Netlink() as netlink:
            netlink.add_address(1, layout.NODE_ADDRESS)
        self.registry = Registry(Store(Path("/run/quayside/store.sqlite")), RESOURCES)
        if self.registry.find(NAMESPACES, Key("", "default")) is None:
            self.registry.create(NAMESPACES, {"metadata": {"name": "default"}})
        self.proxy = ServiceProxy(self.registry, clock=SystemClock())
        self.servers: list[asyncio.Server] = []

    async def pod(self, name: str) -> str:
        address = self.network.add(name, "minikube")

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(name.encode())
            writer.close()

        with network_namespace.entered(self.network.namespace(name)):
            listener = socket.create_server(("0.0.0.0", 8080))
        self.servers.append(await asyncio.start_server(answer, sock=listener))
        return address

    def endpoints(self, name: str, conditions: Mapping[str, Mapping[str, bool]]) -> None:
        self.registry.create(ENDPOINTSLICES, endpoint_slice(name, conditions), namespace="default")

    def create(self, wanted: Object) -> None:
        self.registry.create(SERVICES, wanted, namespace="default")

    def place(self, pod: str | None) -> contextlib.AbstractContextManager[object]:
        return network_namespace.entered(self.network.namespace(pod)) if pod else contextlib.nullcontext()

    async def ask(self, address: str, port: int = 80, *, pod: str | None = None) -> str:
        with self.place(pod):
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with connection:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(3):
                await loop.sock_connect(connection, (address, port))
                return (await loop.sock_recv(connection, 100)).decode()

    async def count(self, address: str, port: int = 80, *, pod: str | None = None, times: int = 60) -> Counter[str]:
        return Counter([await self.ask(address, port, pod=pod) for _ in range(times)])


@pytest.mark.sandbox
@inside
async def test_services_lead_to_every_ready_pod_from_everywhere() -> None:
    node = Node()
    addresses = {name: await node.pod(name) for name in ("a", "b", "c", "other")}
    node.create(service("web", "10.96.0.50", node_port=30080))
    node.endpoints("web", {addresses[name]: READY for name in ("a", "b", "c")})
    assert await node.proxy.sync()
    for pod in (None, "other", "a"):  # "a" may be led to itself
        assert set(await node.count("10.96.0.50", pod=pod)) == {"a", "b", "c"}
    for address in ("127.0.0.1", layout.NODE_ADDRESS, "10.244.0.1"):
        assert set(await node.count(address, 30080)) == {"a", "b", "c"}
    assert set(await node.count(layout.NODE_ADDRESS, 30080, pod="other")) == {"a", "b", "c"}


@pytest.mark.sandbox
@inside
async def test_a_service_without_ready_pods_refuses_at_once() -> None:
    node = Node()
    address = await node.pod("a")
    node.create(service("empty", "10.96.0.51", node_port=30081, externalIPs=["203.0.113.7"]))
    node.endpoints("empty", {address: UNREADY})
    assert await node.proxy.sync()
    for target, port in (("10.96.0.51", 80), ("127.0.0.1", 30081), ("10.111.1.1", 80), ("203.0.113.7", 80)):
        for pod in (None, "a"):
            if pod and target == "127.0.0.1":
                continue
            with pytest.raises(ConnectionRefusedError):
                await node.ask(target, port, pod=pod)


@pytest.mark.sandbox
@inside
async def test_changes_are_followed_and_connections_survive_them() -> None:
    node = Node()
    first, second = await node.pod("a"), await node.pod("b")
    node.create(service("web", "10.96.0.50"))
    running = asyncio.create_task(node.proxy.run())
    node.endpoints("web", {first: READY})
    await eventually(node, "a")
    changed = node.registry.get(ENDPOINTSLICES, Key("default", "web-abcde"))
    changed["endpoints"] = endpoint_slice("web", {first: UNREADY, second: READY})["endpoints"]
    node.registry.update(ENDPOINTSLICES, changed)
    await eventually(node, "b")
    assert set(await node.count("10.96.0.50", times=10)) == {"b"}
    node.registry.delete(SERVICES, Key("default", "web"))
    async with asyncio.timeout(5):
        while "10.96.0.50" in listed():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.02)
    running.cancel()


async def eventually(node: Node, wanted: str) -> None:
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(OSError):
                if await node.ask("10.96.0.50") == wanted:
                    return
            await asyncio.sleep(0.02)


def listed() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


@pytest.mark.sandbox
@inside
async def test_a_client_with_affinity_stays_with_one_pod() -> None:
    node = Node()
    addresses = [await node.pod(name) for name in ("a", "b", "c", "client")]
    node.create(service("web", "10.96.0.50", sessionAffinity="ClientIP"))
    node.endpoints("web", dict.fromkeys(addresses[:3], READY))
    assert await node.proxy.sync()
    assert len(await node.count("10.96.0.50", pod="client", times=20)) == 1


@pytest.mark.sandbox
@inside
async def test_a_load_balancers_address_works_on_the_node() -> None:
    node = Node()
    address = await node.pod("a")
    node.create(service("web", "10.96.0.50", type="LoadBalancer"))
    node.endpoints("web", {address: READY})
    wanted = node.registry.get(SERVICES, Key("default", "web"))
    wanted["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}
    node.registry.update_status(SERVICES, wanted)
    assert await node.proxy.sync()
    assert await node.ask("203.0.113.9") == "a"


@pytest.mark.sandbox
@inside
async def test_pods_do_not_reach_what_listens_on_the_nodes_loopback() -> None:
    node = Node()
    await node.pod("a")
    assert await node.proxy.sync()
    listener = socket.create_server(("0.0.0.0", 9999))
    with network_namespace.entered(node.network.namespace("a")):
        with Netlink() as netlink:
            netlink.add_route("127.5.5.5", 32, index=socket.if_nametoindex("eth0"), gateway="10.244.0.1")
        sender = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sender.settimeout(0.3)
    with listener, sender, pytest.raises(TimeoutError):
        sender.connect(("127.5.5.5", 9999))


@pytest.mark.sandbox
@inside
async def test_udp_services_work() -> None:
    node = Node()
    node.network.add("a", "minikube")
    with node.place("a"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 8080))
    wanted = service("udp", "10.96.0.60")
    wanted["spec"]["ports"][0]["protocol"] = "UDP"
    node.create(wanted)
    slices = endpoint_slice("udp", {"10.244.0.2": READY})
    slices["ports"][0]["protocol"] = "UDP"
    node.registry.create(ENDPOINTSLICES, slices, namespace="default")
    assert await node.proxy.sync()
    with server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        server.settimeout(2)
        client.sendto(b"question", ("10.96.0.60", 80))
        data, sender = server.recvfrom(100)
        server.sendto(data + b"!", sender)
        assert client.recvfrom(100) == (b"question!", ("10.96.0.60", 80))


@pytest.mark.sandbox
@inside
async def test_the_table_can_be_taken_away() -> None:
    node = Node()
    node.create(service("web", "10.96.0.50"))
    assert await node.proxy.sync()
    assert proxy.TABLE in listed()
    await proxy.unload()
    await proxy.unload()
    assert proxy.TABLE not in listed()


async def peers(node: Node) -> dict[str, str]:
    """Two pods that answer with who asks, one on each of two nodes; their addresses."""
    second = "192.168.49.3"
    node.network.add_node_address(layout.NODE_ADDRESS)
    node.network.add_node_address(second)
    for name, address in (("minikube", layout.NODE_ADDRESS), ("minikube-m02", second)):
        node.registry.create(NODES, {"metadata": {"name": name}})
        status = {"addresses": [{"type": "InternalIP", "address": address}]}
        node.registry.update_status(NODES, node.registry.get(NODES, Key("", name)) | {"status": status})
    address = node.network.add("peer", "minikube")

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("peername")[0].encode())
        writer.close()

    with node.place("peer"):
        listener = socket.create_server(("0.0.0.0", 8080))
    node.servers.append(await asyncio.start_server(answer, sock=listener))
    await node.pod("client")
    slices = endpoint_slice("web", {address: READY})
    slices["endpoints"][0]["nodeName"] = "minikube"
    node.registry.create(ENDPOINTSLICES, slices, namespace="default")
    return {"first": layout.NODE_ADDRESS, "second": second}


@pytest.mark.sandbox
@inside
async def test_policy_cluster_reaches_pods_of_other_nodes_and_hides_the_sender() -> None:
    node = Node()
    at = await peers(node)
    node.create(service("web", "10.96.0.50", node_port=30080))
    assert await node.proxy.sync()
    for address in at.values():
        assert await node.ask(address, 30080) == address
        assert await node.ask(address, 30080, pod="client") == address
    assert await node.ask("10.96.0.50", pod="client") == node.network.address("client")


@pytest.mark.sandbox
@inside
async def test_policy_local_keeps_the_sender_and_drops_where_no_pod_is() -> None:
    node = Node()
    at = await peers(node)
    node.create(service("web", "10.96.0.50", node_port=30080, externalTrafficPolicy="Local"))
    assert await node.proxy.sync()
    assert await node.ask(at["first"], 30080) == "192.168.49.1"
    assert await node.ask(at["first"], 30080, pod="client") == node.network.address("client")
    with pytest.raises(TimeoutError):
        await node.ask(at["second"], 30080)


@pytest.mark.sandbox
@inside
async def test_a_load_balancer_hides_its_clients_unless_told_otherwise() -> None:
    node = Node()
    await peers(node)
    node.create(service("web", "10.96.0.50", node_port=30080, type="LoadBalancer"))
    balanced = node.registry.get(SERVICES, Key("default", "web"))
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "10.96.0.50"}]}}
    node.registry.update_status(SERVICES, balanced)
    assert await node.proxy.sync()
    assert await node.ask("10.96.0.50") == layout.NODE_ADDRESS
    assert await node.ask("10.96.0.50", pod="client") == node.network.address("client")
    node.registry.patch(SERVICES, Key("default", "web"), lambda obj: obj["spec"].update(externalTrafficPolicy="Local"))
    assert await node.proxy.sync()
    assert await node.ask("10.96.0.50") == "192.168.49.1"
