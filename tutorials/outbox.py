"""What waits to be sent to a page: only the newest of each kind, and only as fast as the page takes it.

Daphne's `send` never waits, so a page that has stopped reading would otherwise grow the one process of everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

Object = dict[str, Any]

IN_FLIGHT = 16
"""Messages that may be unacknowledged."""
KINDS = 200
"""Different keys that may wait; beyond that the oldest is dropped."""


class Outbox:
    """Sends messages in the order in which their kinds first waited; a newer one takes the place of an older."""

    def __init__(self, send: Callable[[Object], Awaitable[None]]) -> None:
        self._send = send
        self._waiting: dict[Hashable, Object] = {}
        self._sent = 0
        self._acknowledged = 0
        self._changed = asyncio.Event()

    def put(self, key: Hashable, message: Object) -> None:
        """Send `message` when its turn comes, in place of what still waits under `key`."""
        self._waiting[key] = message
        if len(self._waiting) > KINDS:
            del self._waiting[next(iter(self._waiting))]
        self._changed.set()

    def acknowledge(self, number: int) -> None:
        """The page has dealt with everything up to that number."""
        self._acknowledged = max(self._acknowledged, min(number, self._sent))
        self._changed.set()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting and self._sent - self._acknowledged < IN_FLIGHT:
                message = self._waiting.pop(next(iter(self._waiting)))
                self._sent += 1
                await self._send(message | {"number": self._sent})
