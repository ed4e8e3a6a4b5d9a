"""A session in a container as asyncio streams: what exec and attach hand to the API server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable

from sandbox.linux.containers import ContainerError, Session

_LIMIT = 64 * 1024
"""Bytes that a stream buffers before its sender has to wait."""

Resize = Callable[[int, int], None]


class _ConsoleProtocol(asyncio.StreamReaderProtocol):
    """Takes the error that a console gives once its other side is closed for what it is: the end."""

    def connection_lost(self, exc: Exception | None) -> None:
        ended = isinstance(exc, OSError) and exc.errno == errno.EIO
        super().connection_lost(None if ended else exc)


async def _reader(fd: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader(limit=_LIMIT)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: _ConsoleProtocol(reader), os.fdopen(fd, "rb", buffering=0))
    return reader, transport


async def _writer(fd: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(fd, "wb", buffering=0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


class CrunProcess:
    """A running exec or attach session. Streams that were not asked for are None."""

    def __init__(self, session: Session, *, resize: Resize, owned: bool) -> None:
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._session = session
        self._resize = resize
        self._owned = owned
        self._transports: list[asyncio.ReadTransport] = []

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
            process.stdin = await _writer(os.dup(console))
        return process

    @classmethod
    async def of_attachment(cls, session: Session, resize: Resize) -> CrunProcess:
        """The container's own streams; closing leaves it alone."""
        process = cls(session, resize=resize, owned=False)
        await process._open_pipes()
        return process

    async def _open_pipes(self) -> None:
        if self._session.stdin is not None:
            self.stdin = await _writer(self._session.take("stdin"))
        if self._session.stdout is not None:
            self.stdout = await self._read(self._session.take("stdout"))
        if self._session.stderr is not None:
            self.stderr = await self._read(self._session.take("stderr"))

    async def _read(self, fd: int) -> asyncio.StreamReader:
        reader, transport = await _reader(fd)
        self._transports.append(transport)
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
        for transport in self._transports:
            transport.close()
        self._session.close()


def _set_size(console: int, columns: int, rows: int) -> None:
    # A session that has just ended has no console any more.
    with contextlib.suppress(OSError):
        fcntl.ioctl(console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
