"""WebSocket, the server's side, on a connection that the HTTP server hands over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 32 * 1024


def accept_key(key: str) -> str:
    """The answer to a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class WebSocket:
    """Messages in pieces: a large one is never held as a whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes = b"") -> None:
        self._reader, self._writer = reader, writer
        self._connection = Connection(ConnectionType.SERVER, trailing_data=early)
        self._sending = asyncio.Lock()
        # One at a time: whoever reads a farewell may no longer answer the ping before it.
        self._events: Iterator[Event] = self._connection.events()
        self._started = False

    async def receive(self) -> tuple[bytes, bool] | None:
        """(bytes, whether they begin a message) of a binary message, or None when the client has left."""
        while True:
            try:
                event = next(self._events, None)
                if event is None:
                    if not await self._read():
                        return None
                    continue
            except (RemoteProtocolError, LocalProtocolError):
                await self.close(1002)
                return None
            if isinstance(event, BytesMessage):
                begins, self._started = not self._started, not event.message_finished
                return bytes(event.data), begins
            if await self._left(event):
                return None

    async def _left(self, event: Event) -> bool:
        """Answer anything but bytes; whether it was the last."""
        if isinstance(event, Ping | CloseConnection):
            await self._send(event.response())
        elif isinstance(event, TextMessage):
            await self.close(1003)
        return isinstance(event, CloseConnection | TextMessage)

    async def _read(self) -> bool:
        try:
            data = await self._reader.read(_CHUNK)
        except ConnectionError:
            return False
        if data:
            self._connection.receive_data(data)
            self._events = self._connection.events()
        return bool(data)

    async def send(self, data: bytes) -> None:
        """Send a binary message. Raises ConnectionError."""
        await self._send(BytesMessage(data=data))

    async def close(self, code: int = 1000) -> None:
        """Say goodbye."""
        await self._send(CloseConnection(code=code))

    async def _send(self, event: Event) -> None:
        async with self._sending:
            try:
                data = self._connection.send(event)
            except LocalProtocolError as error:
                raise ConnectionResetError("the WebSocket is closed") from error
            self._writer.write(data)
            await self._writer.drain()


class TunnelWire:
    """A byte stream carried in the messages of a WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """Some bytes; nothing at the end."""
        while (received := await self._socket.receive()) is not None:
            if received[0]:
                return received[0]
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""
        await self._socket.send(data)


class PlainWire:
    """A connection as it is, after what the HTTP parser had already read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes = b"") -> None:
        self._reader, self._writer, self._early = reader, writer, early

    async def read(self) -> bytes:
        """Some bytes; nothing at the end."""
        if self._early:
            data, self._early = self._early, b""
            return data
        try:
            return await self._reader.read(_CHUNK)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""
        self._writer.write(data)
        await self._writer.drain()
