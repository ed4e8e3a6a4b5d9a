"""A WebSocket client of a few lines on wsproto: text is JSON, the rest is bytes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, Request, TextMessage

Object = dict[str, Any]

_SECONDS = 60.0


class Closed(Exception):
    """The other end has closed the socket."""


class Socket:
    """One open WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._frames: asyncio.Queue[bytes | Object | Closed] = asyncio.Queue()
        self._open = False
        self._reading: asyncio.Task[None] | None = None
        self._pieces = bytearray()
        self._words: list[str] = []

    @classmethod
    async def connect(cls, port: int, path: str, *, origin: str, cookies: str) -> Socket:
        """Open a socket to this machine. Raises Closed when it is refused."""
        async with asyncio.timeout(_SECONDS):
            socket = cls(*await asyncio.open_connection("127.0.0.1", port))
            headers = [(b"Origin", origin.encode()), (b"Cookie", cookies.encode())]
            request = Request(host=f"127.0.0.1:{port}", target=path, extra_headers=headers)
            socket._writer.write(socket._protocol.send(request))
            while not socket._open:
                await socket._read()
        socket._reading = asyncio.create_task(socket._keep_reading())
        return socket

    async def send(self, frame: bytes | Object) -> None:
        """Send bytes, or an object as JSON."""
        message = BytesMessage(frame) if isinstance(frame, bytes) else TextMessage(json.dumps(frame))
        self._writer.write(self._protocol.send(message))
        await self._writer.drain()

    async def receive(self) -> bytes | Object:
        """The next message. Raises Closed."""
        frame = await self._frames.get()
        if isinstance(frame, Closed):
            raise frame
        return frame

    async def close(self) -> None:
        """Leave."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        self._writer.close()

    async def _keep_reading(self) -> None:
        """Answer pings also while nobody waits for a frame, as a browser does."""
        try:
            while True:
                await self._read()
        except (Closed, OSError) as error:
            self._frames.put_nowait(Closed(str(error)))

    async def _read(self) -> None:
        data = await self._reader.read(1 << 18)
        if not data:
            raise Closed("the connection was cut")
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            match event:
                case AcceptConnection():
                    self._open = True
                case BytesMessage():
                    self._pieces += event.data
                    if event.message_finished:
                        self._frames.put_nowait(bytes(self._pieces))
                        self._pieces.clear()
                case TextMessage():
                    self._words.append(event.data)
                    if event.message_finished:
                        self._frames.put_nowait(json.loads("".join(self._words)))
                        self._words.clear()
                case Ping():
                    self._writer.write(self._protocol.send(event.response()))
                case CloseConnection() | RejectConnection():
                    raise Closed(repr(event))
