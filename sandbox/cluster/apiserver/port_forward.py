"""Port-forward: pairs of SPDY streams, one for the bytes and one for what went wrong, to a port of a pod."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from sandbox.cluster.apiserver.spdy import SpdyConnection, SpdyError, SpdyStream, Wire

Dial = Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
_CHUNK = 32 * 1024
_DIAL_TIMEOUT = 10.0


class PortForward:
    """One client's forwarding, of as many connections as it opens."""

    def __init__(self, wire: Wire, dial: Dial) -> None:
        self._connection = SpdyConnection(wire, self._opened)
        self._dial = dial
        self._waiting: dict[tuple[str, str], SpdyStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the client leaves."""
        try:
            with contextlib.suppress(SpdyError, ConnectionError):
                await self._connection.run()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _opened(self, stream: SpdyStream) -> None:
        kind, request = stream.headers.get("streamtype", ""), stream.headers.get("requestid", "")
        other = {"data": "error", "error": "data"}.get(kind)
        if other is None:
            await stream.reset()
            return
        # kubectl writes nothing on the error stream.
        if kind == "error":
            stream.inbox.discard()
        partner = self._waiting.pop((request, other), None)
        if partner is None:
            self._waiting[request, kind] = stream
            return
        data, error = (stream, partner) if kind == "data" else (partner, stream)
        task = asyncio.create_task(self._forward(data, error))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: SpdyStream, error: SpdyStream) -> None:
        port = data.headers.get("port", "")
        with contextlib.suppress(ConnectionError):
            try:
                reader, writer = await self._connect(port)
            except (OSError, ValueError) as failure:
                await error.write(f"error forwarding port {port[:8]} to pod: {_reason(failure, port)}".encode())
            else:
                await _carry(data, reader, writer)
            await data.close()
            await error.close()
        data.inbox.discard()

    async def _connect(self, port: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
            raise ValueError("it is no port")
        async with asyncio.timeout(_DIAL_TIMEOUT):
            return await self._dial(int(port))


def _reason(failure: Exception, port: str) -> str:
    if isinstance(failure, TimeoutError):
        return f"dial tcp4 127.0.0.1:{port}: i/o timeout"
    if isinstance(failure, OSError):
        # asyncio words it otherwise than the system does; people know the system's words.
        text = os.strerror(failure.errno).lower() if failure.errno else str(failure)
        return f"dial tcp4 127.0.0.1:{port}: connect: {text}"
    return str(failure)


async def _carry(data: SpdyStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy both ways until both are done, or the pod's side has ended."""
    inward = asyncio.create_task(_inward(data, writer))
    try:
        while chunk := await reader.read(_CHUNK):
            await data.write(chunk)
    except ConnectionResetError:
        pass
    finally:
        inward.cancel()
        await asyncio.gather(inward, return_exceptions=True)
        writer.close()


async def _inward(data: SpdyStream, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await data.inbox.get():
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
