"""How the daemon and its clients speak: one JSON object a frame, four bytes of length before it, on a unix socket.

Requests have a `verb` (start, stop, list, about), an `id` of the client's choice and what the verb wants: `name` and
`spec`. Answers come in the order in which they are ready, with the request's `id`; `error` names an exception
of sandbox/backend.py.
"""

from __future__ import annotations

import json
import struct
from typing import Any

Object = dict[str, Any]

_LENGTH = struct.Struct("!I")
HEADER = _LENGTH.size
MAX_FRAME = 1 << 20


class BadFrame(ValueError):
    """The other side does not speak this protocol."""


def encode(message: Object) -> bytes:
    """One frame."""
    payload = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(payload)) + payload


def length_of(header: bytes) -> int:
    """How long the payload after this header is."""
    (length,) = _LENGTH.unpack(header)
    if length > MAX_FRAME:
        raise BadFrame(f"a frame of {length} bytes is too long")
    return int(length)


def decode(payload: bytes) -> Object:
    """The object in a payload."""
    try:
        message = json.loads(payload)
    except ValueError as error:
        raise BadFrame("a frame that is not JSON") from error
    if not isinstance(message, dict):
        raise BadFrame("a frame that is not a JSON object")
    return message


def take(buffer: bytearray) -> Object | None:
    """Take the first whole frame off the buffer, or None when there is none yet."""
    if len(buffer) < HEADER:
        return None
    end = HEADER + length_of(bytes(buffer[:HEADER]))
    if len(buffer) < end:
        return None
    payload = bytes(buffer[HEADER:end])
    del buffer[:end]
    return decode(payload)
