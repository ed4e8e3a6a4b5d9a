"""What load balancers hear on a node: whether this node has endpoints of the Service."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator

import pytest

from sandbox.cluster.api.clock import SystemClock
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import RESOURCES
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.service_health import ServiceHealth
from sandbox.cluster.store import Store

FIRST, SECOND = "127.0.0.2", "127.0.0.3"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
async def registry() -> Registry:
    """Two nodes, and a Service whose one pod is on the first."""
    made = Registry(Store(":memory:"), RESOURCES, clock=SystemClock(), chance=random.Random(7))
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    for name, address in (("minikube", FIRST), ("minikube-m02", SECOND)):
        node = made.create(NODES, {"metadata": {"name": name}})
        made.update_status(NODES, node | {"status": {"addresses": [{"type": "InternalIP", "address": address}]}})
    slices: Object = {
        "metadata": {"name": "web-abcde", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.2"], "conditions": {"ready": True}, "nodeName": "minikube"}],
    }
    made.create(ENDPOINTSLICES, slices, namespace="default")
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": free_port(),
        "ports": [{"port": 80}],
    }
    made.create(SERVICES, {"metadata": {"name": "web"}, "spec": spec}, namespace="default")
    return made


@pytest.fixture
async def port(registry: Registry) -> AsyncIterator[int]:
    """The Service's port, served."""
    health = ServiceHealth(registry, clock=SystemClock())
    running = asyncio.create_task(health.run())
    number = int(registry.get(SERVICES, Key("default", "web"))["spec"]["healthCheckNodePort"])
    async with asyncio.timeout(5):
        while not await listens(FIRST, number):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    yield number
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def listens(address: str, number: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, number)
    except OSError:
        return False
    writer.close()
    return True


async def ask(address: str, number: int, path: str = "/healthz") -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(address, number)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


async def test_a_node_says_how_many_endpoints_it_has(port: int) -> None:
    for address, code, count in ((FIRST, 200, 1), (SECOND, 503, 0), ("127.0.0.1", 200, 1)):
        answered, body = await ask(address, port)
        assert (answered, json.loads(body)["localEndpoints"]) == (code, count)


async def test_the_port_goes_with_the_service(registry: Registry, port: int) -> None:
    registry.delete(SERVICES, Key("default", "web"))
    async with asyncio.timeout(5):
        while await listens(FIRST, port):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_the_proxy_says_how_it_works(port: int) -> None:
    assert port
    assert await ask("127.0.0.1", 10249, "/proxyMode") == (200, b"nftables")
    assert (await ask("127.0.0.1", 10249, "/nothing"))[0] == 404


async def test_what_is_no_request_hurts_nobody(port: int) -> None:
    _, writer = await asyncio.open_connection(FIRST, port)
    writer.write(b"x" * 100_000)
    writer.close()
    assert (await ask(FIRST, port))[0] == 200
