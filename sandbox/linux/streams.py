"""asyncio streams over pipes and consoles: asyncio's own treat the end of a console as an error."""

from __future__ import annotations

import asyncio
import errno
import os

_READ_BYTES = 64 * 1024


class Reader(asyncio.StreamReader):
    """A StreamReader that owns a descriptor and can be closed before its end."""

    def __init__(self, fd: int, *, limit: int) -> None:
        super().__init__(limit=limit)
        self._source = _Source(fd, self)
        self.set_transport(self._source)

    def close(self) -> None:
        """Close the descriptor; what has been read already can still be had."""
        self._source.close()


async def open_reader(fd: int, *, limit: int = 64 * 1024) -> Reader:
    """A reader that owns `fd` and ends when its last writer has gone."""
    return Reader(fd, limit=limit)


async def open_writer(fd: int) -> asyncio.StreamWriter:
    """A writer that owns `fd`."""
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(fd, "wb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)


class _Source(asyncio.Transport):
    """Feeds a StreamReader from a descriptor; EIO, a console's way to say that nobody has it open, is the end."""

    def __init__(self, fd: int, reader: asyncio.StreamReader) -> None:
        super().__init__()
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._reader = reader
        self.resume_reading()

    def pause_reading(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._readable)

    def is_closing(self) -> bool:
        return self._fd < 0

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._reader.feed_eof()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                self._reader.set_exception(error)
            data = b""
        if data:
            self._reader.feed_data(data)
        else:
            self.close()
