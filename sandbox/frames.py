"""Frames of the agent's protocol (docs/protocol.md 1.1), for both ends; the other end is never trusted."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

Object = dict[str, Any]

BYTES_LIMIT = 64 * 1024
OBJECT_LIMIT = 1024 * 1024
_HEADER = struct.Struct("!cI")


class FrameError(Exception):
    """The other end sent something that is no frame; the connection is of no more use."""


def bytes_frame(data: bytes) -> bytes:
    """A frame of terminal or file bytes; at most 64 KiB."""
    if len(data) > BYTES_LIMIT:
        raise FrameError("too many bytes for a frame")
    return _HEADER.pack(b"B", len(data)) + data


def object_frame(message: Object) -> bytes:
    """A control frame; at most 1 MiB."""
    payload = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors="replace")
    if len(payload) > OBJECT_LIMIT:
        raise FrameError("too much for a control frame")
    return _HEADER.pack(b"J", len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes | Object | None:
    """The next frame: bytes, an object, or None at the end of the stream. Raises FrameError, ConnectionError."""
    try:
        kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if kind == b"B" and length <= BYTES_LIMIT:
            return await reader.readexactly(length)
        if kind != b"J" or length > OBJECT_LIMIT:
            raise FrameError("not a frame")
        payload = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise FrameError("the stream ended within a frame") from error
        return None
    return _decode(payload)


def _decode(payload: bytes) -> Object:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise FrameError("not JSON") from error
    if not isinstance(message, dict):
        raise FrameError("not a JSON object")
    return message
