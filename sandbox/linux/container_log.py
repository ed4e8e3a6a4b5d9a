"""Container output in CRI's log format, in files of a bounded size.

Each line becomes `<RFC3339Nano> stdout|stderr F|P <line>`; P marks a part of a line longer than 16 KiB.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Literal

Stream = Literal["stdout", "stderr"]

_LINE_BYTES = 16 * 1024


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nine digits of nanoseconds, in UTC, as CRI writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class ContainerLog:
    """One container's log file. Writing never raises and never blocks: what does not fit on the disk is lost."""

    def __init__(self, path: Path, *, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, entries: bytes) -> None:
        """Append whole entries; the file moves to `<path>.1` when it has become too big."""
        if not entries:
            return
        if self._size + len(entries) > self._limit and self._size:
            self._rotate()
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            self._size += os.write(self._fd, entries)

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            self._fd = os.open(self._path, flags, 0o640)
            self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._path.replace(f"{self._path}.1")
        self._size = 0
        self._open()


class LineSplitter:
    """Turns one stream's bytes into log entries, holding at most one unfinished line of 16 KiB."""

    def __init__(self, stream: Stream) -> None:
        self._tag = f" {stream} ".encode()
        self._rest = b""

    def feed(self, data: bytes, now: int) -> bytes:
        """The entries that `data` completes, stamped `now` (nanoseconds since the epoch)."""
        *lines, rest = (self._rest + data).split(b"\n")
        stamp = timestamp(now).encode() + self._tag
        entries: list[bytes] = []
        for line in lines:
            entries += self._parts(stamp, line)
            entries.append(stamp + b"F " + line[self._cut(line) :] + b"\n")
        entries += self._parts(stamp, rest)
        self._rest = rest[self._cut(rest) :]
        return b"".join(entries)

    def end(self, now: int) -> bytes:
        """The last line, when it did not end with a newline."""
        rest, self._rest = self._rest, b""
        return timestamp(now).encode() + self._tag + b"F " + rest + b"\n" if rest else b""

    @staticmethod
    def _cut(line: bytes) -> int:
        """Where the last part of the line begins: after all full parts, but a line of exactly one part is whole."""
        return max(0, (len(line) - 1) // _LINE_BYTES) * _LINE_BYTES

    def _parts(self, stamp: bytes, line: bytes) -> list[bytes]:
        cut = self._cut(line)
        return [stamp + b"P " + line[at : at + _LINE_BYTES] + b"\n" for at in range(0, cut, _LINE_BYTES)]
