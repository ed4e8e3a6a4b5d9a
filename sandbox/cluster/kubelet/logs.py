"""Container logs: CRI files read the way the `log` subresource asks for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet.status import statuses

_BLOCK = 64 * 1024


class LogUnavailable(Exception):
    """There is no log to read (HTTP 400); the message is the kubelet's own."""


@dataclass(frozen=True)
class LogOptions:
    """The query of the `log` subresource."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float | None = None
    """Epoch seconds: nothing older."""


def container_id(pod: Object, container: str, *, previous: bool) -> str:
    """Which container's log is meant. Raises LogUnavailable with the kubelet's sentence."""
    name = pod["metadata"]["name"]
    status = next((one for one in statuses(pod) if one["name"] == container), None)
    if status is None:
        raise LogUnavailable(f'container "{container}" in pod "{name}" is not available')
    state = status.get("state") or {}
    last = ((status.get("lastState") or {}).get("terminated") or {}).get("containerID", "")
    if previous:
        if not last:
            raise LogUnavailable(f'previous terminated container "{container}" in pod "{name}" not found')
        return _bare(last)
    if "running" in state:
        return _bare(status["containerID"])
    ended = (state.get("terminated") or {}).get("containerID", "") or last
    if ended:
        return _bare(ended)
    if "terminated" in state:
        raise LogUnavailable(f'container "{container}" in pod "{name}" is terminated')
    reason = (state.get("waiting") or {}).get("reason", "")
    why = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }.get(reason, reason)
    raise LogUnavailable(f'container "{container}" in pod "{name}" is waiting to start: {why}')


def _bare(identifier: str) -> str:
    return identifier.rpartition("://")[2]


class _Line:
    """One entry of a CRI log: `<RFC3339Nano> stdout|stderr F|P <text>`; P says that its newline is still to come."""

    __slots__ = ("full", "text", "time")

    def __init__(self, raw: bytes) -> None:
        time, _, rest = raw.partition(b" ")
        _, _, rest = rest.partition(b" ")
        tag, _, text = rest.partition(b" ")
        self.time = time
        self.full = not tag.startswith(b"P")
        self.text = text

    def rendered(self, *, timestamps: bool) -> bytes:
        line = self.text + (b"\n" if self.full else b"")
        return self.time + b" " + line if timestamps else line

    def newer_than(self, since: float) -> bool:
        try:
            return parse_time(_micro(self.time.decode())).timestamp() >= since
        except ValueError:
            return True


def _micro(time: str) -> str:
    """datetime knows six digits, the log has nine."""
    head, dot, fraction = time.partition(".")
    digits = fraction.rstrip("Z")
    return f"{head}{dot}{digits[:6]}Z" if dot else time


def tail(path: Path, lines: int) -> int:
    """The offset at which the last `lines` lines of a file begin."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        position, wanted = end, lines + 1
        while position > 0:
            start = max(0, position - _BLOCK)
            file.seek(start)
            block = file.read(position - start)
            found = block.count(b"\n")
            if found >= wanted:
                for _ in range(wanted):
                    at = block.rfind(b"\n")
                    block = block[:at]
                return start + at + 1
            wanted -= found
            position = start
    return 0


@dataclass(frozen=True)
class LogFile:
    """A container's log and what wakes those who follow it."""

    path: Path
    more: Callable[[], Awaitable[bool]]
    """Returns when there may be more to read; False when the container has ended and nothing will come."""

    async def read(self, options: LogOptions) -> AsyncIterator[bytes]:
        """Pieces of the log, in order, as the options want them."""
        left = options.limit_bytes
        async for piece in self._pieces(options):
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            if piece:
                yield piece
            if left == 0:
                return

    async def _pieces(self, options: LogOptions) -> AsyncIterator[bytes]:
        alive = True
        while not self.path.exists():  # it comes with the first line
            if not options.follow or not alive:
                return
            alive = await self.more()
        offset = 0 if options.tail_lines is None else tail(self.path, options.tail_lines)
        file = self.path.open("rb")
        try:
            file.seek(offset)
            while True:
                for block in _blocks(file, options):
                    yield block
                    await asyncio.sleep(0)
                if _rotated(file, self.path):
                    file.close()
                    file = self.path.open("rb")
                elif not options.follow or not alive:
                    return
                else:
                    alive = await self.more()
        finally:
            file.close()


def _rotated(file: BinaryIO, path: Path) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _blocks(file: BinaryIO, options: LogOptions) -> Iterator[bytes]:
    """Everything that is complete now, in blocks; the offset stays before an incomplete line."""
    while True:
        start = file.tell()
        data = file.read(_BLOCK)
        cut = data.rfind(b"\n") + 1
        if cut == 0:
            longer = data + file.readline() if len(data) == _BLOCK else data
            if not longer.endswith(b"\n"):
                file.seek(start)
                return
            data, cut = longer, len(longer)
        file.seek(start + cut)
        yield b"".join(_selected(data[:cut], options))


def _selected(data: bytes, options: LogOptions) -> Iterator[bytes]:
    for raw in data[:-1].split(b"\n"):
        line = _Line(raw)
        if options.since is None or line.newer_than(options.since):
            yield line.rendered(timestamps=options.timestamps)
