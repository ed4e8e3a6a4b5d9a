"""One connection to the agent: a request, then whatever its verb says (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox import frames

Object = dict[str, Any]

_SEND_SECONDS = 60.0
"""How long a client may take nothing before it is given up."""


class BadRequest(Exception):
    """The client asked for something that makes no sense; the message says what."""


class Failed(Exception):
    """What was asked could not be done; the message is a sentence for people."""


class Conversation:
    """The agent's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self) -> bytes | Object | None:
        """The client's next frame, None at the end."""
        return await frames.read_frame(self.reader)

    async def send(self, message: bytes | Object) -> None:
        """Send bytes or an object, waiting while the client takes none. Raises ConnectionError."""
        if isinstance(message, bytes):
            self.writer.write(frames.bytes_frame(message))
        else:
            self.writer.write(frames.object_frame(message))
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self.writer.drain()
        except TimeoutError as error:
            raise ConnectionAbortedError("the client takes nothing") from error

    async def send_bytes(self, data: bytes) -> None:
        """Send any number of bytes as frames."""
        for at in range(0, len(data), frames.BYTES_LIMIT):
            await self.send(data[at : at + frames.BYTES_LIMIT])

    async def until_closed(self) -> None:
        """Return when the client has gone; what it still says is not heard."""
        while await self.receive() is not None:
            pass


def text(request: Object, name: str, default: str | None = None, *, most: int = 256) -> str:
    """A string of the request. Raises BadRequest."""
    value = request.get(name, default)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"{name} must be a text of at most {most} characters")
    return value


def number(request: Object, name: str, default: float | None = None, *, least: float, most: float) -> float:
    """A number of the request, in bounds. Raises BadRequest."""
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadRequest(f"{name} must be a number from {least:g} to {most:g}")
    return value


def texts(request: Object, name: str, *, most: int = 64, longest: int = 128 * 1024) -> tuple[str, ...]:
    """A list of strings of the request. Raises BadRequest."""
    value = request.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, str) for item in value):
        raise BadRequest(f"{name} must be a list of at most {most} texts")
    if sum(len(item) for item in value) > longest:
        raise BadRequest(f"{name} is too long")
    return tuple(value)


def mapping(request: Object, name: str, *, most: int = 128) -> dict[str, str]:
    """A mapping of strings of the request, empty when left out. Raises BadRequest."""
    value = request.get(name) or {}
    good = isinstance(value, dict) and len(value) <= most and all(isinstance(item, str) for item in value.values())
    if not good or any("=" in key or "\0" in key + item for key, item in value.items()):
        raise BadRequest(f"{name} must map at most {most} names to texts")
    return dict(value)
