"""SPDY/3.1, the server's side: what kubectl speaks for exec up to 1.29 and for port-forward in every version.

Kubernetes' clients know no flow control but TCP's: they ignore WINDOW_UPDATE and never send one, so it is neither sent
nor waited for here. A stream that is not read holds up its connection once its inbox is full.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from sandbox.cluster.apiserver.inbox import Inbox
from sandbox.cluster.apiserver.spdy_headers import Compressor, Decompressor, HeaderError

_VERSION = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY, _HEADERS = 1, 2, 3, 6, 7, 8
_FIN = 1
_REFUSED_STREAM, _CANCEL = 3, 5
_CONTROL_LIMIT = 32 * 1024
_CHUNK = 32 * 1024
_MOST_STREAMS = 256


class Wire(Protocol):
    """The bytes below: a TCP connection, or a WebSocket that carries them."""

    async def read(self) -> bytes:
        """Some bytes; nothing at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionError."""


class SpdyError(Exception):
    """The other side does not speak the protocol."""


class SpdyStream:
    """One stream that the client opened."""

    def __init__(self, connection: SpdyConnection, number: int, headers: dict[str, str]) -> None:
        self._connection = connection
        self.number = number
        self.headers = headers
        self.inbox = Inbox()
        self._open = True

    async def write(self, data: bytes) -> None:
        """Send bytes; nothing once it is closed."""
        for start in range(0, len(data), _CHUNK):
            if self._open:
                await self._connection.send_data(self.number, data[start : start + _CHUNK])

    async def close(self) -> None:
        """Say that no more will be sent."""
        if self._open:
            self._open = False
            await self._connection.send_data(self.number, b"", last=True)

    async def reset(self, reason: int = _CANCEL) -> None:
        """End it in both directions."""
        self._open = False
        self.inbox.end()
        await self._connection.send_reset(self.number, reason)

    def ended(self) -> None:
        """The client has reset it."""
        self._open = False
        self.inbox.end()

    @property
    def done(self) -> bool:
        """Whether nothing will come or go any more."""
        return not self._open and self.inbox.ended


class _Intake:
    """Reads exact amounts from a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = bytearray()

    async def some(self, most: int) -> bytes:
        """Up to that many bytes; nothing at the end."""
        if not self._buffer:
            self._buffer += await self._wire.read()
        data = bytes(self._buffer[:most])
        del self._buffer[: len(data)]
        return data

    async def exactly(self, size: int) -> bytes:
        """That many bytes. Raises EOFError."""
        while len(self._buffer) < size:
            data = await self._wire.read()
            if not data:
                raise EOFError
            self._buffer += data
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class SpdyConnection:
    """One connection; `opened` is called for each stream that the client opens, and must not wait long."""

    def __init__(self, wire: Wire, opened: Callable[[SpdyStream], Awaitable[None]]) -> None:
        self._wire = wire
        self._opened = opened
        self._intake = _Intake(wire)
        self._compressor, self._decompressor = Compressor(), Decompressor()
        self._streams: dict[int, SpdyStream] = {}
        self._last = 0
        # A header block must be sent in the order in which it was compressed.
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve until the client leaves. Raises SpdyError, ConnectionError."""
        try:
            while True:
                first, second = struct.unpack(">II", await self._intake.exactly(8))
                flags, length = second >> 24, second & 0xFF_FFFF
                if first & 0x8000_0000:
                    if await self._control(first, flags, length):
                        return
                else:
                    await self._data(first, flags, length)
        except EOFError:
            return
        except HeaderError as error:
            raise SpdyError(str(error)) from error
        finally:
            for stream in self._streams.values():
                stream.ended()

    async def _data(self, number: int, flags: int, length: int) -> None:
        stream = self._streams.get(number)
        while length:
            data = await self._intake.some(min(length, _CHUNK))
            if not data:
                raise EOFError
            length -= len(data)
            if stream is not None:
                await stream.inbox.put(data)
        if stream is not None and flags & _FIN:
            stream.inbox.end()

    async def _control(self, first: int, flags: int, length: int) -> bool:
        """Handle a control frame; whether it was the last."""
        if first >> 16 != _VERSION:
            raise SpdyError(f"version {first >> 16 & 0x7FFF} is not spoken here")
        if length > _CONTROL_LIMIT:
            raise SpdyError("a control frame is too large")
        kind, payload = first & 0xFFFF, await self._intake.exactly(length)
        if kind == _SYN_STREAM:
            await self._syn_stream(flags, payload)
        elif kind == _RST_STREAM and length >= 4:
            stream = self._streams.pop(_number(payload), None)
            if stream is not None:
                stream.ended()
        elif kind == _PING and length == 4:
            await self._send_control(_PING, payload)
        elif kind == _HEADERS and length >= 4:
            self._decompressor.headers(payload[4:])
        return kind == _GOAWAY

    async def _syn_stream(self, flags: int, payload: bytes) -> None:
        if len(payload) < 10:
            raise SpdyError("a SYN_STREAM frame is too short")
        number = _number(payload)
        headers = self._decompressor.headers(payload[10:])
        if number <= self._last or number % 2 == 0:
            raise SpdyError(f"stream {number} is not new")
        self._last = number
        for gone in [n for n, stream in self._streams.items() if stream.done]:
            del self._streams[gone]
        if len(self._streams) >= _MOST_STREAMS:
            await self.send_reset(number, _REFUSED_STREAM)
            return
        stream = self._streams[number] = SpdyStream(self, number, headers)
        if flags & _FIN:
            stream.inbox.end()
        async with self._sending:
            block = self._compressor.block({})
            await self._wire.write(_control_frame(_SYN_REPLY, struct.pack(">I", number) + block))
        await self._opened(stream)

    async def _send_control(self, kind: int, payload: bytes) -> None:
        async with self._sending:
            await self._wire.write(_control_frame(kind, payload))

    async def send_data(self, number: int, data: bytes, *, last: bool = False) -> None:
        """Send a DATA frame."""
        async with self._sending:
            await self._wire.write(struct.pack(">II", number, (_FIN if last else 0) << 24 | len(data)) + data)

    async def send_reset(self, number: int, reason: int) -> None:
        """Send a RST_STREAM frame."""
        await self._send_control(_RST_STREAM, struct.pack(">II", number, reason))

    async def go_away(self) -> None:
        """Say that no new stream will be taken."""
        await self._send_control(_GOAWAY, struct.pack(">II", self._last, 0))


def _number(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF


def _control_frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, len(payload)) + payload
