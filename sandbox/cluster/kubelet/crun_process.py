"""A session in a container as asyncio streams: what exec and attach hand to the API server."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Callable

from sandbox.linux import streams
from sandbox.linux.containers import ContainerError, Session

Resize = Callable[[int, int], None]


class CrunProcess:
    """A running exec or attach session. Streams that were not asked for are None."""

    def __init__(self, session: Session, *, resize: Resize, owned: bool) -> None:
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._session = session
        self._resize = resize
        self._owned = owned
        self._readers: list[streams.Reader] = []

    @classmethod
    async def of_exec(cls, session: Session, *, stdin: bool) -> CrunProcess:
        """The streams of a process of its own; closing kills it."""
        console = session.console
        if console is None:
            process = cls(session, resize=lambda _columns, _rows: None, owned=True)
            await process._open_pipes()
            return process
        process = cls(session, resize=lambda columns, rows: _set_size(console, columns, rows), owned=True)
        process.stdout = await process._read(os.dup(console))
        if stdin:
            process.stdin = await streams.open_writer(os.dup(console))
        return process

    @classmethod
    async def of_attachment(cls, session: Session, resize: Resize) -> CrunProcess:
        """The container's own streams; closing leaves it alone."""
        process = cls(session, resize=resize, owned=False)
        await process._open_pipes()
        return process

    async def _open_pipes(self) -> None:
        if self._session.stdin is not None:
            self.stdin = await streams.open_writer(self._session.take("stdin"))
        if self._session.stdout is not None:
            self.stdout = await self._read(self._session.take("stdout"))
        if self._session.stderr is not None:
            self.stderr = await self._read(self._session.take("stderr"))

    async def _read(self, fd: int) -> asyncio.StreamReader:
        reader = await streams.open_reader(fd)
        self._readers.append(reader)
        return reader

    async def wait(self) -> int:
        """Its exit code."""
        return (await self._session.wait()).code

    def resize(self, columns: int, rows: int) -> None:
        """Tell the tty its size; nothing without a tty."""
        self._resize(columns, rows)

    async def close(self) -> None:
        """End the session."""
        if self._owned:
            with contextlib.suppress(ContainerError):
                await self._session.kill()
        if self.stdin is not None:
            self.stdin.close()
        for reader in self._readers:
            reader.close()
        self._session.close()


def _set_size(console: int, columns: int, rows: int) -> None:
    # A session that has just ended has no console any more.
    with contextlib.suppress(OSError):
        fcntl.ioctl(console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
