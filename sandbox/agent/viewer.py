"""One who looks at a terminal: what they have been sent and have rendered, and what comes next for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.agent.ring import Ring
from sandbox.frames import BYTES_LIMIT

Object = dict[str, Any]

HIGH = 128 * 1024
"""Bytes that may be sent but not acknowledged."""
LOW = 32 * 1024
"""At so few it goes on. Clients acknowledge at least this often."""
_MESSAGES = 1000


@dataclass(frozen=True)
class Size:
    """A terminal's size in character cells."""

    columns: int
    rows: int


class Viewer:
    """What one attachment to a terminal has been sent so far."""

    def __init__(self, name: str, ring: Ring, *, size: Size, interactive: bool) -> None:
        self.name = name
        self.size = size
        self.interactive = interactive
        self.acknowledged = 0
        self._ring = ring
        self._position = 0
        self._full = False
        self._messages: deque[tuple[int, Object]] = deque()
        self._ended = False
        self._awake = asyncio.Event()

    def begin(self, position: int, messages: Sequence[Object]) -> None:
        """Start at `position` after these messages."""
        self._position = self.acknowledged = position
        self._messages.extend((position, message) for message in messages)
        self.wake()

    def tell(self, message: Object, offset: int) -> None:
        """Send a message in its place among the bytes: after all before `offset`."""
        if len(self._messages) < _MESSAGES:
            self._messages.append((offset, message))
        self.wake()

    def acknowledge(self, offset: int) -> None:
        """Everything before `offset` has been rendered; what was never sent cannot be."""
        self.acknowledged = max(self.acknowledged, min(offset, self._position))
        self.wake()

    def end(self, reason: str) -> None:
        """Send no more than this."""
        if not self._ended:
            self._ended = True
            self._messages.clear()
            self._messages.append((0, {"type": "closed", "reason": reason}))
            self.wake()

    def wake(self) -> None:
        """Something may be there to be sent."""
        self._awake.set()

    async def next(self) -> bytes | Object | None:
        """What to send next, when it is there; None after the last."""
        while True:
            self._awake.clear()
            if self._ended:
                return self._messages.popleft()[1] if self._messages else None
            found = self._next_now()
            if found is not None:
                return found
            await self._awake.wait()

    def _next_now(self) -> bytes | Object | None:
        if self._position < self._ring.start:
            return self._cut_to_the_ring()
        if self._messages and self._messages[0][0] <= self._position:
            return self._messages.popleft()[1]
        unacknowledged = self._position - self.acknowledged
        self._full = unacknowledged >= HIGH or (self._full and unacknowledged > LOW)
        if self._full:
            return None
        until = self._messages[0][0] if self._messages else self._ring.end
        data = self._ring.read(self._position, min(until - self._position, BYTES_LIMIT, HIGH - unacknowledged))
        self._position += len(data)
        return data or None

    def _cut_to_the_ring(self) -> Object:
        """What this viewer should see next has fallen out: go on from the oldest whole line."""
        self._position = self.acknowledged = self._ring.oldest_line()
        self._full = False
        while self._messages and self._messages[0][0] < self._position and self._messages[0][1]["type"] == "mark":
            self._messages.popleft()
        return {"type": "reset", "offset": self._position}
