"""Exec, attach and port-forward: an HTTP request that becomes several byte streams, over WebSocket or SPDY.

What the HTTP server calls; the wire formats are in `websocket` and `spdy`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.errors import BadRequest, Forbidden
from sandbox.cluster.apiserver import remote_command
from sandbox.cluster.apiserver.port_forward import PortForward
from sandbox.cluster.apiserver.spdy import Wire
from sandbox.cluster.apiserver.websocket import PlainWire, TunnelWire, WebSocket, accept_key
from sandbox.cluster.kubelet.runtime import Process

_CHANNELS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_PORT_FORWARD = "portforward.k8s.io"
_TUNNELLED = f"SPDY/3.1+{_PORT_FORWARD}"


@dataclass(frozen=True)
class Upgrade:
    """A request that asks to leave HTTP, with the connection it came on."""

    method: str
    headers: Sequence[tuple[str, str]]
    """In the order of the request; names in any case."""
    query: Mapping[str, Sequence[str]]
    """As `urllib.parse.parse_qs(…, keep_blank_values=True)` gives it."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    early: bytes = b""
    """What the HTTP parser had already read beyond the request (`h11.Connection.trailing_data`)."""

    def values(self, name: str) -> list[str]:
        """The comma-separated values of all headers of that name."""
        found = [value for key, value in self.headers if key.lower() == name]
        return [part.strip() for value in found for part in value.split(",") if part.strip()]

    def wants(self, protocol: str) -> bool:
        """Whether it asks to upgrade to that protocol."""
        connection = [value.lower() for value in self.values("connection")]
        return "upgrade" in connection and protocol in [value.lower() for value in self.values("upgrade")]


async def _switch(upgrade: Upgrade, headers: Mapping[str, str]) -> None:
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items())]
    upgrade.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    await upgrade.writer.drain()


async def _websocket(upgrade: Upgrade, supported: Sequence[str]) -> WebSocket:
    """Answer the handshake. Raises BadRequest, Forbidden."""
    offered = upgrade.values("sec-websocket-protocol")
    chosen = next((protocol for protocol in offered if protocol in supported), None)
    if chosen is None:
        raise BadRequest(f"unable to upgrade: none of the protocols {offered} is supported: {list(supported)}")
    keys = upgrade.values("sec-websocket-key")
    if upgrade.method != "GET" or len(keys) != 1 or upgrade.values("sec-websocket-version") != ["13"]:
        raise BadRequest("unable to upgrade: bad WebSocket handshake")
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(keys[0]),
        "Sec-WebSocket-Protocol": chosen,
    }
    await _switch(upgrade, headers)
    return WebSocket(upgrade.reader, upgrade.writer, upgrade.early)


async def _spdy(upgrade: Upgrade, supported: Sequence[str]) -> Wire:
    """Answer the upgrade. Raises BadRequest, Forbidden."""
    if not upgrade.wants("spdy/3.1"):
        raise BadRequest("Upgrade request required")
    offered = upgrade.values("x-stream-protocol-version")
    chosen = next((protocol for protocol in offered if protocol in supported), None)
    if chosen is None:
        known = f"client supports {offered}, server accepts {list(supported)}"
        raise UnknownStreamProtocol(f"unable to upgrade: unable to negotiate protocol: {known}")
    headers = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade", "X-Stream-Protocol-Version": chosen}
    await _switch(upgrade, headers)
    return PlainWire(upgrade.reader, upgrade.writer, upgrade.early)


class UnknownStreamProtocol(BadRequest):
    """The client speaks none of our versions of exec or port-forward."""

    code = 403
    reason = Forbidden.reason


@contextlib.asynccontextmanager
async def _receiving(receive: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    async def guarded() -> None:
        with contextlib.suppress(ConnectionError):
            await receive()

    task = asyncio.create_task(guarded())
    try:
        yield task
        await remote_command.linger(task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 1)


async def serve_process(upgrade: Upgrade, start: Callable[[], Awaitable[Process]], *, attached: bool = False) -> None:
    """Answer exec or attach until the process ends or the client leaves.

    `start` runs the command (`container.exec(…)` or `container.attach(…)`); which streams it has is the query's
    (`stdin`, `stdout`, `stderr`, `tty`). Raises ApiError before anything was written when it is no upgrade;
    StartError from `start` reaches the client on the error stream. Closes the writer.
    """
    options = remote_command.Options.of(upgrade.query)
    session: remote_command.Session
    if upgrade.wants("websocket"):
        session = remote_command.WebSocketSession(await _websocket(upgrade, _CHANNELS))
        opened = session.send(remote_command.STDOUT if options.stdout else remote_command.ERROR, b"")
    else:
        session = remote_command.SpdySession(await _spdy(upgrade, _CHANNELS), options)
        opened = session.complete()
    try:
        async with _receiving(session.receive) as receiving:
            # An empty message, or all of the streams: now the client is there.
            await opened
            await remote_command.run(session, start, options, attached=attached, receiving=receiving)
    except (ConnectionError, TimeoutError):
        pass
    finally:
        await _close(upgrade.writer)


async def serve_portforward(
    upgrade: Upgrade, dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
) -> None:
    """Answer port-forward until the client leaves.

    `dial` connects to a port of the pod; its OSError reaches the client on that connection's error stream.
    Raises ApiError before anything was written when the request cannot be upgraded. Closes the writer.
    """
    wire: Wire
    if upgrade.wants("websocket"):
        wire = TunnelWire(await _websocket(upgrade, (_TUNNELLED,)))
    else:
        wire = await _spdy(upgrade, (_PORT_FORWARD,))
    try:
        await PortForward(wire, dial).run()
    finally:
        await _close(upgrade.writer)
