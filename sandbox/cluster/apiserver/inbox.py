"""Bytes from a client on their way to whoever reads them."""

from __future__ import annotations

import asyncio
from collections import deque

_LIMIT = 256 * 1024


class Inbox:
    """A queue of bytes; a full one holds up the sender, one that is not read any more swallows what comes."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.ended = False
        """Whether the sender has said that no more will come."""
        self._discarding = False
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, data: bytes) -> None:
        """Add bytes, when there is room."""
        await self._room.wait()
        if not data or self.ended or self._discarding:
            return
        self._chunks.append(data)
        self._size += len(data)
        self._filled.set()
        if self._size >= _LIMIT:
            self._room.clear()

    def end(self) -> None:
        """No more will come."""
        self.ended = True
        self._filled.set()
        self._room.set()

    def discard(self) -> None:
        """Nobody will read any more."""
        self._discarding = True
        self._chunks.clear()
        self._room.set()

    async def get(self) -> bytes:
        """The next bytes; nothing at the end."""
        while not self._chunks:
            if self.ended or self._discarding:
                return b""
            self._filled.clear()
            await self._filled.wait()
        data = self._chunks.popleft()
        self._size -= len(data)
        if self._size < _LIMIT:
            self._room.set()
        return data
