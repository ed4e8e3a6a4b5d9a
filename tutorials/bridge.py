"""Carries a terminal between a browser and its sandbox; free of Channels, so that any ASGI server can hold it.

The browser acknowledges what it has drawn. Without that a server whose `send` never waits would buffer a flood in
memory, and Ctrl-C would take effect only after megabytes. The agent keeps the same window; this one does not trust it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

from sandbox.client import TerminalStream

Object = dict[str, Any]

PROTOCOL = 1
WINDOW = 128 * 1024
"""Bytes that may be under way to the browser before the stream is no longer read."""
RESUME = 32 * 1024
"""Once so few are under way, reading goes on. At least the browser's acknowledgement step, or both would wait."""
ACK_STEP = 32 * 1024
MAX_INPUT = 64 * 1024
MAX_COLUMNS, MAX_ROWS = 1000, 500
CONTROL_TYPES = frozenset({"attached", "reset", "size", "mark", "exit", "closed"})
MAX_CONTROL = 8 * 1024
CONTROL_WINDOW = 256 * 1024
"""Control messages are in no window of bytes, and a sandbox could send nothing else: after so much of them the
browser must say something, if only its ping."""


class BadMessage(Exception):
    """The browser broke the protocol; the message says how."""


class Socket(Protocol):
    """The browser's end."""

    async def send_bytes(self, data: bytes) -> None:
        """Send terminal bytes."""

    async def send_object(self, message: Object) -> None:
        """Send a control message."""


def whole_number(message: Object, name: str, lowest: int, highest: int) -> int:
    """The integer `name` of a message, within bounds; anything else is a BadMessage."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise BadMessage(f"{name} must be a whole number from {lowest} to {highest}")
    return value


class Bridge:
    """One attachment: bytes and control messages both ways, with at most WINDOW bytes unacknowledged."""

    def __init__(self, socket: Socket, stream: TerminalStream) -> None:
        self._socket = socket
        self._stream = stream
        self._sent = stream.offset
        self._acknowledged = stream.offset
        self._highest = stream.offset
        self._control = 0
        self._room = asyncio.Event()
        self._control_room = asyncio.Event()
        self._room.set()
        self._control_room.set()

    async def pump(self) -> Object:
        """Carry what the terminal prints to the browser, in order, until the end; the last control message."""
        last: Object = {}
        async for frame in self._stream.frames():
            if isinstance(frame, bytes):
                await self._socket.send_bytes(frame)
                self._sent += len(frame)
                self._highest = max(self._highest, self._sent)
                if self._sent - self._acknowledged >= WINDOW:
                    self._room.clear()
                    await self._room.wait()
            elif frame.get("type") in CONTROL_TYPES and (size := len(json.dumps(frame))) <= MAX_CONTROL:
                last = frame
                await self._pass_on(frame, size)
        return last

    async def _pass_on(self, frame: Object, size: int) -> None:
        if frame["type"] == "reset":
            self._start_over(frame)
        await self._socket.send_object(frame)
        self._control += size
        if self._control >= CONTROL_WINDOW:
            self._control_room.clear()
            await self._control_room.wait()

    def _start_over(self, frame: Object) -> None:
        """The viewer fell too far behind: counting goes on at the offset that the agent names."""
        offset = frame.get("offset")
        if isinstance(offset, int):
            self._sent = self._acknowledged = offset
            self._room.set()

    async def typed(self, data: bytes) -> None:
        """Type into the terminal."""
        if len(data) > MAX_INPUT:
            raise BadMessage(f"at most {MAX_INPUT} bytes of input a frame")
        if data:
            await self._stream.write(data)

    async def told(self, message: Object) -> None:
        """Act on a control message from the browser."""
        self._control = 0
        self._control_room.set()
        kind = message.get("type")
        if kind == "ack":
            await self._acknowledge(whole_number(message, "offset", 0, 2**53))
        elif kind == "resize":
            columns = whole_number(message, "columns", 1, MAX_COLUMNS)
            rows = whole_number(message, "rows", 1, MAX_ROWS)
            await self._stream.control({"type": "resize", "columns": columns, "rows": rows})
        elif kind == "ping":
            await self._socket.send_object({"type": "pong"})
        else:
            raise BadMessage("unknown type of message")

    async def _acknowledge(self, offset: int) -> None:
        if offset > self._highest:
            raise BadMessage("acknowledged more than was sent")
        if not self._acknowledged < offset <= self._sent:
            return  # late, from before a reset: harmless
        self._acknowledged = offset
        await self._stream.control({"type": "ack", "offset": offset})
        if self._sent - self._acknowledged <= RESUME:
            self._room.set()

    async def close(self) -> None:
        """Detach; the terminal lives on."""
        await self._stream.close()
