"""What has happened in the sandbox: the commands that learners ran, and a place to hear about everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

_COMMANDS = 2000
_UNHEARD = 1000


@dataclass(frozen=True)
class Command:
    """A command that ended in a terminal."""

    terminal: str
    text: str
    status: int


class Happenings:
    """Tells every listener what happens and remembers the last commands."""

    def __init__(self) -> None:
        self.commands: deque[Command] = deque(maxlen=_COMMANDS)
        self._listeners: set[asyncio.Queue[Object]] = set()

    def tell(self, event: Object) -> None:
        """Pass the event to every listener; one that has stopped listening loses events rather than growing."""
        for queue in self._listeners:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(event)

    def finished(self, command: Command) -> None:
        """Remember a command; who asks for it is told by the terminal's own event."""
        self.commands.append(command)

    @contextlib.contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Object]]:
        """A queue of everything told from now on."""
        queue: asyncio.Queue[Object] = asyncio.Queue(_UNHEARD)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
