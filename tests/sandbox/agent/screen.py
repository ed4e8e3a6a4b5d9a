"""A viewer of a real terminal, for tests: collects what it shows and waits for what should come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sandbox.client import SandboxClient, Size, TerminalStream

SECONDS = 15.0
SIZE = Size(80, 24)


class Screen:
    """One attachment; acknowledges what it has read unless told not to."""

    def __init__(self, stream: TerminalStream, *, acknowledging: bool) -> None:
        self.stream = stream
        self.shown = b""
        self.messages: list[dict[str, Any]] = []
        self.offset = stream.offset
        self.acknowledging = acknowledging
        self._frames = stream.frames()
        self._coming: asyncio.Future[bytes | dict[str, Any]] | None = None

    @classmethod
    async def open(
        cls,
        client: SandboxClient,
        terminal: str = "1",
        *,
        since: int | None = None,
        size: Size = SIZE,
        viewer: str = "a",
        interactive: bool = True,
        acknowledging: bool = True,
    ) -> Screen:
        stream = await client.attach(terminal, since=since, size=size, viewer=viewer, interactive=interactive)
        return cls(stream, acknowledging=acknowledging)

    async def step(self) -> bytes | dict[str, Any]:
        """Take one frame."""
        if self._coming is not None:
            coming, self._coming = self._coming, None
            return await coming
        frame = await anext(self._frames)
        if isinstance(frame, bytes):
            self.shown += frame
            self.offset += len(frame)
            if self.acknowledging:
                await self.stream.control({"type": "ack", "offset": self.offset})
        else:
            self.messages.append(frame)
            if frame["type"] == "reset":
                self.shown = b""
                self.offset = frame["offset"]
        return frame

    async def silent(self, seconds: float) -> bool:
        """Take frames until none has come for so long; False when they never end."""
        async with asyncio.timeout(SECONDS):
            while True:
                coming = asyncio.ensure_future(self.step())
                if not (await asyncio.wait({coming}, timeout=seconds))[0]:
                    self._coming = coming
                    return True

    async def until(self, condition: Callable[[Screen], bool]) -> None:
        """Take frames until the condition holds."""
        async with asyncio.timeout(SECONDS):
            while not condition(self):
                await self.step()

    async def message(self, **wanted: Any) -> dict[str, Any]:
        """Take frames until a message that has these fields, and return it."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = await self.step()
                if isinstance(frame, dict) and wanted.items() <= frame.items():
                    return frame

    async def prompt(self) -> None:
        """Wait for the next prompt."""
        await self.message(type="mark", mark="prompt")

    async def run(self, command: str) -> tuple[bytes, int]:
        """Type a command at a prompt: what it printed and its exit status."""
        await self.stream.write(command.encode() + b"\n")
        began = await self.message(type="mark", mark="command")
        base = self.offset - len(self.shown)
        ended = await self.message(type="mark", mark="finished")
        printed = self.shown[began["offset"] - base : ended["offset"] - base]
        await self.prompt()
        return printed, ended["status"]

    async def close(self) -> None:
        await self.stream.close()
