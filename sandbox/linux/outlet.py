"""Copies a container's output to its log and to whoever is attached, never blocking and in bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Callable

from sandbox.linux.container_log import ContainerLog, LineSplitter, Stream

_READ_BYTES = 64 * 1024
_BYTES_A_SECOND = 4 * 1024 * 1024
"""A container that prints faster waits: one flood must not take the starter's whole processor."""
_BEHIND_BYTES = 1024 * 1024


class Sink:
    """The writing end of an attached session's pipe, with a queue; one that falls too far behind is cut."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._queue = bytearray()
        self._ending = False

    @property
    def closed(self) -> bool:
        """Whether nobody reads it any more, or it was cut."""
        return self._fd < 0

    def write(self, data: bytes) -> None:
        """Pass on what the container printed."""
        if self.closed:
            return
        self._queue += data
        self._flush()
        if len(self._queue) > _BEHIND_BYTES:
            self.close()

    def end(self) -> None:
        """Close once everything is passed on."""
        self._ending = True
        self._flush()

    def close(self) -> None:
        """Close now."""
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._queue.clear()

    def _flush(self) -> None:
        if self.closed:
            return
        try:
            while self._queue:
                del self._queue[: os.write(self._fd, self._queue)]
        except BlockingIOError:
            self._loop.add_writer(self._fd, self._flush)
            return
        except OSError:
            self.close()
            return
        self._loop.remove_writer(self._fd)
        if self._ending:
            self.close()


class Outlet:
    """One output stream of a container: a pipe's reading end, or its console."""

    def __init__(self, fd: int, stream: Stream, log: ContainerLog | None, *, on_end: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self.fd = fd
        self._log = log
        self._splitter = LineSplitter(stream)
        self._sinks: list[Sink] = []
        self._on_end = on_end
        self._second = 0
        self._read_in_second = 0
        self._resume: asyncio.TimerHandle | None = None
        self._loop.add_reader(fd, self._readable)

    def attach(self, fd: int) -> None:
        """Copy what comes from now on to the pipe `fd` too, which belongs to the outlet from now on."""
        sink = Sink(fd)
        if self.fd < 0:
            sink.end()
        else:
            self._sinks.append(sink)

    def close(self) -> None:
        """Read what is left, then end; closing twice is no error."""
        while self.fd >= 0 and self._read():
            pass
        self._end()

    def _readable(self) -> None:
        if not self._read():
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._read_in_second = second, 0
        elif self._read_in_second > _BYTES_A_SECOND:
            self._loop.remove_reader(self.fd)
            self._resume = self._loop.call_later(second + 1 - time.monotonic(), self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        if self.fd >= 0:
            self._loop.add_reader(self.fd, self._readable)

    def _read(self) -> bool:
        """Copy one chunk; False when there is none now (or ever)."""
        try:
            data = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a console whose last process has closed it
                raise
            data = b""
        if not data:
            self._end()
            return False
        self._read_in_second += len(data)
        if self._log is not None:
            self._log.write(self._splitter.feed(data, time.time_ns()))
        for sink in self._sinks:
            sink.write(data)
        self._sinks = [sink for sink in self._sinks if not sink.closed]
        return True

    def _end(self) -> None:
        if self.fd < 0:
            return
        self._loop.remove_reader(self.fd)
        if self._resume is not None:
            self._resume.cancel()
        with contextlib.suppress(OSError):
            os.close(self.fd)
        self.fd = -1
        if self._log is not None:
            self._log.write(self._splitter.end(time.time_ns()))
        for sink in self._sinks:
            sink.end()
        self._sinks.clear()
        self._on_end()
