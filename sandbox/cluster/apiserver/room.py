"""Bounds the memory that large answers hold while they are sent.

Whoever may fill the store may also list it twenty times at once and read slowly: each such list is as large as the
store, and together they would take the whole cluster down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.cluster.api.errors import TooManyRequests

SMALL = 256 * 1024
"""Answers up to this size are not counted."""
_ROOM = 64 * 1024 * 1024


class Room:
    """What all connections of a server have for large answers together."""

    def __init__(self, size: int = _ROOM) -> None:
        self._size = size
        self._used = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Count an answer while it is sent; one is always let through. Raises TooManyRequests (kubectl tries again)."""
        counted = size if size > SMALL else 0
        if counted and self._used and self._used + counted > self._size:
            raise TooManyRequests("too many large answers are under way, please try again later", retry_after=1)
        self._used += counted
        try:
            yield
        finally:
            self._used -= counted
