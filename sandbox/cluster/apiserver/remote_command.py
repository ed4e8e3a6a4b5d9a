"""Exec and attach: a process's streams and a client's channels, brought together."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.cluster.api.errors import BadRequest, InternalError
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver.inbox import Inbox
from sandbox.cluster.apiserver.spdy import SpdyConnection, SpdyError, SpdyStream, Wire
from sandbox.cluster.apiserver.websocket import WebSocket
from sandbox.cluster.kubelet.runtime import Process, StartError

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
_HALF_CLOSE = 255
_NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
_CHUNK = 32 * 1024
_STREAMS_TIMEOUT = 30.0
_LINGER = 5.0
_RESIZE_LIMIT = 1024
_AFTER_EXIT = 0.5
"""How long output may be silent after the process has ended, before whoever else holds it open is ignored."""


@dataclass(frozen=True)
class Options:
    """Which streams a client wants."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Options:
        """From the query. Raises BadRequest when no stream is wanted."""
        wanted = {
            name: query.get(name, [""])[0].lower() in ("1", "true") for name in ("stdin", "stdout", "stderr", "tty")
        }
        if not (wanted["stdin"] or wanted["stdout"] or wanted["stderr"]):
            raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
        # A terminal has one output.
        wanted["stderr"] = wanted["stderr"] and not wanted["tty"]
        return cls(**wanted)

    def channels(self) -> set[int]:
        """The channels that a client opens for them."""
        found = {ERROR}
        found |= {STDIN} if self.stdin else set()
        found |= {STDOUT} if self.stdout else set()
        found |= {STDERR} if self.stderr else set()
        return found | ({RESIZE} if self.tty else set())


class Session(Protocol):
    """A client's side of exec or attach."""

    stdin: Inbox
    resizes: Inbox

    async def receive(self) -> None:
        """Fill the inboxes until the client leaves."""

    async def send(self, channel: int, data: bytes) -> None:
        """Send output. Raises ConnectionError."""

    async def finish(self, status: Object) -> None:
        """Say how it ended, and that it did. Raises ConnectionError."""


class WebSocketSession:
    """Channels as the first byte of each message (`v4.channel.k8s.io`, `v5.channel.k8s.io`)."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.stdin, self.resizes = Inbox(), Inbox()

    async def receive(self) -> None:
        """Fill the inboxes until the client leaves."""
        channel = -1
        try:
            while (received := await self._socket.receive()) is not None:
                data, begins = received
                if begins:
                    if not data:
                        continue
                    channel, data = data[0], data[1:]
                if channel == _HALF_CLOSE and data[:1] == bytes([STDIN]):
                    self.stdin.end()
                inbox = {STDIN: self.stdin, RESIZE: self.resizes}.get(channel)
                if inbox is not None:
                    await inbox.put(data)
        finally:
            self.stdin.end()
            self.resizes.end()

    async def send(self, channel: int, data: bytes) -> None:
        """Send output. Raises ConnectionError."""
        await self._socket.send(bytes([channel]) + data)

    async def finish(self, status: Object) -> None:
        """Say how it ended, and that it did. Raises ConnectionError."""
        await self.send(ERROR, _encoded(status))
        await self._socket.close()


class SpdySession:
    """Channels as SPDY streams, told apart by their `streamType` header."""

    def __init__(self, wire: Wire, options: Options) -> None:
        self._connection = SpdyConnection(wire, self._opened)
        self._wanted = options.channels()
        self._streams: dict[int, SpdyStream] = {}
        self._complete = asyncio.Event()
        self.stdin, self.resizes = Inbox(), Inbox()

    async def _opened(self, stream: SpdyStream) -> None:
        channel = _NAMES.get(stream.headers.get("streamtype", ""), -1)
        if channel not in self._wanted or channel in self._streams:
            await stream.reset()
            return
        self._streams[channel] = stream
        if channel == STDIN:
            self.stdin = stream.inbox
        elif channel == RESIZE:
            self.resizes = stream.inbox
        else:
            stream.inbox.discard()
        if set(self._streams) == self._wanted:
            self._complete.set()

    async def complete(self) -> None:
        """Wait for the client to open its streams. Raises TimeoutError."""
        async with asyncio.timeout(_STREAMS_TIMEOUT):
            await self._complete.wait()

    async def receive(self) -> None:
        """Fill the inboxes until the client leaves."""
        with contextlib.suppress(SpdyError, ConnectionError):
            await self._connection.run()

    async def send(self, channel: int, data: bytes) -> None:
        """Send output. Raises ConnectionError."""
        await self._streams[channel].write(data)

    async def finish(self, status: Object) -> None:
        """Say how it ended, and that it did. Raises ConnectionError."""
        await self._streams[ERROR].write(_encoded(status))
        for channel in sorted(self._streams, reverse=True):
            await self._streams[channel].close()


def _encoded(status: Object) -> bytes:
    return json.dumps(status, separators=(",", ":")).encode()


SUCCESS: Object = {"metadata": {}, "status": "Success"}


def ended_with(code: int) -> Object:
    """The status of a process that has ended."""
    if code == 0:
        return SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def not_started(why: object) -> Object:
    """The status of a process that could not be started."""
    return InternalError(f"error executing command in container: {why}").status()


async def _pump_out(stream: asyncio.StreamReader | None, session: Session, channel: int, progress: list[int]) -> None:
    while stream is not None and (data := await stream.read(_CHUNK)):
        progress[0] += 1
        await session.send(channel, data)


async def _pump_in(session: Session, process: Process, *, tty: bool) -> None:
    stdin = process.stdin
    if stdin is None:
        session.stdin.discard()
        return
    with contextlib.suppress(OSError):
        while data := await session.stdin.get():
            stdin.write(data)
            await stdin.drain()
        if not tty:
            stdin.close()
            await stdin.wait_closed()
    session.stdin.discard()


async def _pump_sizes(session: Session, process: Process) -> None:
    text, decoder = "", json.JSONDecoder()
    while data := await session.resizes.get():
        text = (text + data.decode(errors="replace")).lstrip()
        while text:
            try:
                size, used = decoder.raw_decode(text)
            except ValueError:
                text = text if len(text) < _RESIZE_LIMIT else ""
                break
            text = text[used:].lstrip()
            _resize(process, size)


def _resize(process: Process, size: object) -> None:
    if not isinstance(size, dict):
        return
    columns, rows = size.get("Width"), size.get("Height")
    if isinstance(columns, int) and isinstance(rows, int) and 0 < columns < 65536 and 0 < rows < 65536:
        process.resize(columns, rows)


async def _outcome(process: Process, session: Session, options: Options) -> int:
    """The exit code, once all output has been sent."""
    progress = [0]
    async with asyncio.TaskGroup() as group:
        pumps = [
            group.create_task(_pump_out(process.stdout if options.stdout else None, session, STDOUT, progress)),
            group.create_task(_pump_out(process.stderr if options.stderr else None, session, STDERR, progress)),
        ]
        code = await process.wait()
        seen = -1
        while seen != progress[0] and any(not pump.done() for pump in pumps):
            seen = progress[0]
            await asyncio.wait(pumps, timeout=_AFTER_EXIT)
        for pump in pumps:
            pump.cancel()
    return code


async def run(
    session: Session,
    start: Callable[[], Awaitable[Process]],
    options: Options,
    *,
    attached: bool,
    receiving: asyncio.Task[None],
) -> None:
    """Start the process and serve the session until either ends; `receiving` ends when the client leaves."""
    try:
        process = await start()
    except (StartError, OSError) as error:
        await session.finish(not_started(error))
        return
    helpers = [
        asyncio.create_task(_pump_in(session, process, tty=options.tty)),
        asyncio.create_task(_pump_sizes(session, process)),
    ]
    outcome = asyncio.create_task(_outcome(process, session, options))
    try:
        await asyncio.wait((outcome, receiving), return_when=asyncio.FIRST_COMPLETED)
        if outcome.done():
            code = outcome.result()
            # Attaching succeeds whatever becomes of the container: its status tells that.
            await session.finish(SUCCESS if attached else ended_with(code))
    except* ConnectionError:
        pass
    finally:
        for task in (*helpers, outcome):
            task.cancel()
        await asyncio.gather(*helpers, outcome, return_exceptions=True)
        await process.close()


async def linger(receiving: asyncio.Task[None]) -> None:
    """Let the client take what was sent: a connection closed with unread input loses it."""
    await asyncio.wait((receiving,), timeout=_LINGER)
