"""The proxy subresource: HTTP to a port of a pod, of a Service's endpoints, or of a node, as if called directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import h11

from sandbox.cluster.api.errors import BadRequest, ServiceUnavailable
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.containers import Containers
from sandbox.cluster.apiserver.messages import Response
from sandbox.cluster.kubelet.runtime import PodSandbox
from sandbox.cluster.registry import Registry

_DIAL_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "authorization", "host", "content-length", "expect"}
)
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "content-type", "keep-alive"})
Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Proxy:
    """Forwards requests to what runs in pods."""

    def __init__(self, registry: Registry, containers: Containers) -> None:
        self._registry = registry
        self._containers = containers

    async def pod(self, call: Call) -> Response:
        """…/pods/[http:]NAME[:PORT]/proxy/PATH; without a port: the first that a container declares, or 80."""
        _, name, port_text = _split(call.path.name)
        pod = self._registry.get(call.resource, Key(call.path.namespace, name))
        ports = [port for one in pod["spec"].get("containers") or () for port in one.get("ports") or ()]
        port = _number(port_text, ports, "containerPort") or (ports[0]["containerPort"] if ports else 80)
        return await self._forward(call, pod, port)

    async def service(self, call: Call) -> Response:
        """…/services/[http:]NAME[:PORT]/proxy/PATH, to one of the Service's ready endpoints."""
        _, name, port_text = _split(call.path.name)
        key = Key(call.path.namespace, name)
        self._registry.get(call.resource, key)
        pod, port = self._endpoint(key, port_text)
        return await self._forward(call, pod, port)

    def _endpoint(self, key: Key, port: str) -> tuple[Object, int]:
        endpoints = self._registry.resource("endpoints")
        found = self._registry.find(endpoints, key) if endpoints else None
        pods = self._registry.resource("pods")
        for subset in (found or {}).get("subsets") or ():
            number = _endpoint_port(subset.get("ports") or (), port, self._service_port(key, port))
            for address in subset.get("addresses") or ():
                target = address.get("targetRef") or {}
                pod = self._registry.find(pods, Key(key.namespace, target.get("name", ""))) if pods else None
                if pod is not None and number:
                    return pod, number
        raise ServiceUnavailable(f'no endpoints available for service "{key.name}"')

    def _service_port(self, key: Key, port: str) -> str:
        """The name of a Service's port that is given by number."""
        services = self._registry.resource("services")
        service = self._registry.find(services, key) if services else None
        ports = ((service or {}).get("spec") or {}).get("ports") or ()
        return next((one.get("name", "") for one in ports if str(one.get("port")) == port), port)

    async def _forward(self, call: Call, pod: Object, port: int) -> Response:
        if call.path.rest == "" and call.request.method in ("GET", "HEAD"):
            target = call.request.target.partition("?")
            return Response(status=301, headers=[("location", target[0] + "/" + target[1] + target[2])])
        sandbox = self._containers.sandbox(pod)
        exchange = _Exchange(sandbox, port)
        return await exchange.send(call)


class _Exchange:
    """One request to a port, and its answer as it comes."""

    def __init__(self, sandbox: PodSandbox, port: int) -> None:
        self._sandbox = sandbox
        self._address = f"{sandbox.ip}:{port}"
        self._port = port
        self._http = h11.Connection(h11.CLIENT)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def send(self, call: Call) -> Response:
        """Raises ServiceUnavailable when nothing answers."""
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                self._reader, self._writer = await self._sandbox.dial(self._port)
        except TimeoutError as error:
            raise self._unreachable("i/o timeout") from error
        except OSError as error:
            raise self._unreachable(f"connect: {(error.strerror or str(error)).lower()}") from error
        try:
            return await self._exchange(call)
        except BaseException:
            self._writer.close()
            raise

    def _unreachable(self, why: str) -> ServiceUnavailable:
        return ServiceUnavailable(f"error trying to reach service: dial tcp {self._address}: {why}")

    async def _exchange(self, call: Call) -> Response:
        request = call.request
        query = request.target.partition("?")[2]
        # From the target as it was sent: escapes in the path are the application's business.
        below = request.target.partition("?")[0].partition("/proxy")[2] or "/"
        headers = [(key, value) for key, value in request.headers if key not in _HOP_BY_HOP]
        headers += [("host", self._address), ("connection", "close")]
        if request.body:
            headers.append(("content-length", str(len(request.body))))
        head = h11.Request(method=request.method, target=below + (f"?{query}" if query else ""), headers=headers)
        self._write(head)
        if request.body:
            self._write(h11.Data(data=request.body))
        self._write(h11.EndOfMessage())
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._writer.drain()
                answer = await self._next()
                while isinstance(answer, h11.InformationalResponse):
                    answer = await self._next()
        except (h11.RemoteProtocolError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {error or 'i/o timeout'}") from error
        if not isinstance(answer, h11.Response):
            raise ServiceUnavailable("error trying to reach service: EOF")
        return self._response(answer)

    def _response(self, answer: h11.Response) -> Response:
        pairs = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in answer.headers]
        content_type = next((value for key, value in pairs if key == "content-type"), "text/plain; charset=utf-8")
        headers = [(key, value) for key, value in pairs if key not in _OURS]
        return Response(status=answer.status_code, content_type=content_type, headers=headers, stream=self._body())

    async def _body(self) -> AsyncGenerator[bytes, None]:
        try:
            while isinstance(event := await self._next(), h11.Data):
                yield bytes(event.data)
        except (h11.RemoteProtocolError, OSError):
            return
        finally:
            self._writer.close()

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65536))
        return event


def _split(name: str) -> tuple[str, str, str]:
    """(scheme, name, port) of `[scheme:]name[:port]`. Raises BadRequest."""
    parts = name.split(":")
    match len(parts):
        case 1:
            return "http", parts[0], ""
        case 2:
            return "http", parts[0], parts[1]
        case 3 if parts[0] in ("", "http"):
            return "http", parts[1], parts[2]
    raise BadRequest(f'invalid request "{name}"')


def _number(port: str, ports: Sequence[Object], field: str) -> int:
    """A port given by number or name; 0 when none is given. Raises BadRequest."""
    if not port:
        return 0
    if port.isdigit():
        return int(port)
    found = next((one[field] for one in ports if one.get("name") == port), None)
    if found is None:
        raise BadRequest(f'no port named "{port}"')
    return int(found)


def _endpoint_port(ports: Sequence[Object], asked: str, name: str) -> int:
    if not ports:
        return 0
    if not asked:
        return int(ports[0]["port"])
    named = (one for one in ports if asked in (one.get("name"), str(one["port"])) or one.get("name", "") == name)
    return next((int(one["port"]) for one in named), 0)
