"""What kube-proxy tells about itself on each node, and what load balancers ask: are there endpoints on this node?

The ports are kube-proxy's: 10249 says how it works, 10256 that it does, and each Service with externalTrafficPolicy
Local has a healthCheckNodePort of its own.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.endpoints import slice_of
from sandbox.cluster.api.objects import Object
from sandbox.cluster.node_addresses import keeps_source, node_addresses, on_node
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.services import SERVICES

log = logging.getLogger(__name__)

MODE = "nftables"
_METRICS_PORT, _HEALTH_PORT = 10249, 10256
_LOOPBACK = "127.0.0.1"
_SECONDS = 5.0
_HEAD_BYTES = 8192
_INTERVAL = 0.1

Place = tuple[str, int]
"""Address and port."""


@dataclass(frozen=True)
class Answer:
    """What a request is answered with."""

    body: str
    status: int = 200
    content_type: str = "application/json"


class ServiceHealth:
    """Serves those ports while it runs."""

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._changed = asyncio.Event()
        self._answers: Mapping[Place, Mapping[str, Answer]] = {}
        self._servers: dict[Place, asyncio.Server] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        stops = [self._registry.watch(resource, self._note) for resource in (SERVICES, ENDPOINTSLICES, NODES)]
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self.sync()
                await self._clock.sleep(_INTERVAL)
        finally:
            for stop in stops:
                stop()
            for server in self._servers.values():
                server.close()

    def _note(self, _change: Change) -> None:
        self._changed.set()

    async def sync(self) -> None:
        """Listen where something is to be said, and nowhere else."""
        self._answers = self._wanted()
        for place in set(self._servers) - set(self._answers):
            self._servers.pop(place).close()
        for place in set(self._answers) - set(self._servers):
            try:
                serve = functools.partial(self._serve, place)
                self._servers[place] = await asyncio.start_server(serve, *place, limit=_HEAD_BYTES)
            except OSError as error:
                log.warning("cannot answer on %s:%d: %s", *place, error)

    def _wanted(self) -> Mapping[Place, Mapping[str, Answer]]:
        wanted: dict[Place, dict[str, Answer]] = {(_LOOPBACK, _METRICS_PORT): _ABOUT, (_LOOPBACK, _HEALTH_PORT): _ABOUT}
        nodes = node_addresses(self._registry.list(NODES))
        wanted |= {(address, _HEALTH_PORT): _ABOUT for address in nodes}
        slices: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for one in self._registry.list(ENDPOINTSLICES):
            slices[slice_of(one)].append(one)
        for service in self._registry.list(SERVICES):
            port = service["spec"].get("healthCheckNodePort")
            if not port or not keeps_source(service):
                continue
            key = (service["metadata"]["namespace"], service["metadata"]["name"])
            for address, node in nodes.items():
                answer = {"/": _local(*key, on_node(slices[key], node))}
                wanted[address, port] = answer
                # localhost is the first node: that is where the learner's terminal stands.
                wanted.setdefault((_LOOPBACK, port), answer)
        return wanted

    async def _serve(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                path = [*head.split(b" ", 2), b""][1].decode("latin-1").partition("?")[0]
                answers = self._answers.get(place, {})
                writer.write(_packed(answers.get(path) or answers.get("/") or _MISSING))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # not a client that waits for an answer
        finally:
            writer.close()


_MISSING = Answer("404 page not found\n", 404, "text/plain; charset=utf-8")
_ABOUT = {
    "/proxyMode": Answer(MODE, content_type="text/plain; charset=utf-8"),
    "/healthz": Answer("ok", content_type="text/plain; charset=utf-8"),
    "/livez": Answer("ok", content_type="text/plain; charset=utf-8"),
}


def _local(namespace: str, name: str, slices: Sequence[Object]) -> Answer:
    count = sum(
        1
        for one in slices
        for endpoint in one["endpoints"]
        if (endpoint.get("conditions") or {}).get("ready") is not False
    )
    said = {
        "service": {"namespace": namespace, "name": name},
        "localEndpoints": count,
        "serviceProxyHealthy": True,
    }
    return Answer(json.dumps(said, indent="\t"), 200 if count else 503)


_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


def _packed(answer: Answer) -> bytes:
    body = answer.body.encode()
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
