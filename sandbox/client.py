"""The platform's side of the agent protocol (docs/protocol.md): one class, one method a verb."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox import frames
from sandbox.backend import Connection, SandboxError, SandboxGone

Object = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """A terminal's size in character cells."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True)
class Verdict:
    """What a check found. `reason` names which hint applies: see `Check` in tutorials/catalogue/lesson.py."""

    passed: bool
    reason: str = ""
    """"" when passed; else "absent", "case:N" (the hint case that matched), "otherwise", "script" or "error"."""
    actual: str = ""
    """The value found (at most 2 KiB), for `{actual}` in a hint; for a script its last output."""


@dataclass(frozen=True)
class Completed:
    """How a script run in the sandbox ended."""

    status: int
    output: bytes


@dataclass(frozen=True)
class Event:
    """Something that happened in the sandbox: `type` and its fields are listed in docs/protocol.md."""

    type: str
    fields: Object


class AgentError(SandboxError):
    """The agent refused or failed; `kind` is request, failed or busy."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class TerminalStream(Protocol):
    """One attachment to a terminal. Offsets count the bytes that the terminal has printed since it was opened."""

    terminal: str
    offset: int
    """Where the first byte that `frames` yields stands."""

    def frames(self) -> AsyncIterator[bytes | Object]:
        """Terminal bytes as bytes, control messages (exit, mark, size, reset) as objects, in order, until the end."""

    async def write(self, data: bytes) -> None:
        """Type into the terminal; at most 64 KiB a call."""

    async def control(self, message: Object) -> None:
        """Send a control message: ack, resize, …"""

    async def close(self) -> None:
        """Detach; the terminal lives on."""


class SandboxClient:
    """Speaks to one sandbox's agent; every call opens a connection of its own through `connect`.

    Every method raises SandboxGone when the sandbox ends meanwhile, and AgentError when the agent refuses.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect

    async def attach(
        self, terminal: str, *, since: int | None, size: Size, viewer: str, interactive: bool
    ) -> TerminalStream:
        """Attach to the named terminal, opening it when it does not exist.

        `since` is the offset up to which the caller has everything, or None for the whole ring.
        """
        request = {"verb": "attach", "terminal": terminal, "since": since, "viewer": viewer}
        link = await self._open({**request, "interactive": interactive, "columns": size.columns, "rows": size.rows})
        try:
            first = await link.object()
        except BaseException:
            await link.close()
            raise
        return _Attachment(link, terminal, first)

    async def terminals(self) -> Sequence[Object]:
        """The open terminals: name, state, running command, exit status of the last, columns, rows, viewers."""
        answer = await self._ask({"verb": "terminals"})
        terminals: Sequence[Object] = answer["terminals"]
        return terminals

    async def close_terminal(self, terminal: str) -> None:
        """End the terminal and its processes."""
        await self._ask({"verb": "close-terminal", "terminal": terminal})

    async def watch(self, checks: Sequence[Object]) -> AsyncIterator[Sequence[Verdict]]:
        """Verdicts for `checks`, all of them, at once and then each time one of them changes, until closed."""
        async with self._opened({"verb": "watch", "checks": list(checks)}) as link:
            while True:
                yield _verdicts(await link.object(), checks)

    async def check(self, checks: Sequence[Object]) -> Sequence[Verdict]:
        """Evaluate `checks` once, now."""
        return _verdicts(await self._ask({"verb": "check", "checks": list(checks)}), checks)

    async def events(self) -> AsyncIterator[Event]:
        """What happens in the sandbox from now on: commands, terminals, cluster, picture."""
        async with self._opened({"verb": "events"}) as link:
            while True:
                fields = await link.object()
                yield Event(str(fields.pop("type", "")), fields)

    async def run(
        self,
        script: str,
        *,
        where: Literal["learner", "clean"] = "learner",
        environment: Mapping[str, str] = {},
        timeout: float = 60.0,
    ) -> Completed:
        """Run a bash script unseen: in the learner's own root, or in a clean container that sees it at /learner."""
        request = {"verb": "run", "script": script, "where": where, "environment": dict(environment)}
        output = bytearray()
        async with self._opened({**request, "timeout": timeout}) as link:
            while isinstance(frame := await link.receive(), bytes):
                output += frame[: _OUTPUT_BYTES - len(output)]
        return Completed(_status(frame), bytes(output))

    async def put(self, files: Mapping[str, tuple[bytes, int]]) -> None:
        """Write files (absolute path → content, mode) into the learner's root, as the learner's user."""
        listed = [{"path": path, "size": len(content), "mode": mode} for path, (content, mode) in files.items()]
        async with self._opened({"verb": "put", "files": listed}) as link:
            for content, _ in files.values():
                for at in range(0, len(content), frames.BYTES_LIMIT):
                    await link.send(content[at : at + frames.BYTES_LIMIT])
            await link.object()

    async def dial(self, port: int, host: str = "127.0.0.1") -> Connection:
        """A TCP connection to a port inside the sandbox."""
        link = await self._open({"verb": "dial", "port": port, "host": host})
        try:
            await link.object()
        except BaseException:
            await link.close()
            raise
        return link.connection

    async def minikube(self, arguments: Sequence[str]) -> Completed:
        """Run a minikube command as if the learner had typed it, unseen."""
        return await self.run(shlex.join(["minikube", *arguments]), timeout=_MINIKUBE_SECONDS)

    async def stats(self) -> Object:
        """What the sandbox uses now: the fields are listed in docs/protocol.md."""
        return await self._ask({"verb": "stats"})

    async def _open(self, request: Object) -> _Link:
        link = _Link(await self._connect())
        try:
            await link.send(request)
        except BaseException:
            await link.close()
            raise
        return link

    @asynccontextmanager
    async def _opened(self, request: Object) -> AsyncIterator[_Link]:
        link = await self._open(request)
        try:
            yield link
        finally:
            await link.close()

    async def _ask(self, request: Object) -> Object:
        async with self._opened(request) as link:
            return await link.object()


class _Attachment:
    """See TerminalStream."""

    def __init__(self, link: _Link, terminal: str, first: Object) -> None:
        self.terminal = terminal
        self.offset = int(first.get("offset", 0))
        self._link = link
        self._first = first

    async def frames(self) -> AsyncIterator[bytes | Object]:
        """The message `attached` first, then bytes and control messages in order, until the end."""
        yield self._first
        while True:
            try:
                frame = await self._link.receive()
            except SandboxGone:
                return
            yield frame
            if isinstance(frame, dict) and frame.get("type") == "closed":
                return

    async def write(self, data: bytes) -> None:
        """Type into the terminal; at most 64 KiB a call."""
        await self._link.send(data)

    async def control(self, message: Object) -> None:
        """Send a control message: ack, resize, …"""
        await self._link.send(message)

    async def close(self) -> None:
        """Detach; the terminal lives on, and what was typed arrives."""
        await self._link.finish()
        await self._link.close()


_OUTPUT_BYTES = 1024 * 1024
_MINIKUBE_SECONDS = 180.0
_CLOSE_SECONDS = 1.0


class _Link:
    """One connection to the agent."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._reader, self._writer = connection

    async def send(self, message: bytes | Object) -> None:
        frame = frames.bytes_frame(message) if isinstance(message, bytes) else frames.object_frame(message)
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:  # RuntimeError: the transport is closed
            raise SandboxGone("The sandbox has ended.") from error

    async def receive(self) -> bytes | Object:
        """The next frame. Raises SandboxGone at the end, AgentError when the agent says that something is wrong."""
        try:
            frame = await frames.read_frame(self._reader)
        except (OSError, frames.FrameError) as error:
            raise SandboxGone("The sandbox does not answer as it should.") from error
        if frame is None:
            raise SandboxGone("The sandbox has ended.")
        if isinstance(frame, dict) and frame.get("type") == "error":
            raise AgentError(str(frame.get("kind", "failed"))[:20], str(frame.get("message", ""))[:2000])
        return frame

    async def object(self) -> Object:
        """The next frame, which must be an object."""
        frame = await self.receive()
        if isinstance(frame, bytes):
            raise SandboxGone("The sandbox does not answer as it should.")
        return frame

    async def finish(self) -> None:
        """Let the agent read to the end: a connection that is just closed takes with it what it has not read yet."""
        # RuntimeError: the transport is closed, or somebody reads still.
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                self._writer.write_eof()
                while await self._reader.read(frames.BYTES_LIMIT):
                    pass

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()


def _verdicts(message: Object, checks: Sequence[Object]) -> Sequence[Verdict]:
    """The verdicts of a message, exactly as many as there are checks: what is missing has not passed."""
    listed = message.get("verdicts")
    given = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    verdicts = [
        Verdict(one.get("passed") is True, str(one.get("reason", ""))[:40], str(one.get("actual", ""))[:2048])
        for one in given[: len(checks)]
    ]
    return verdicts + [Verdict(passed=False, reason="error")] * (len(checks) - len(verdicts))


def _status(message: bytes | Object) -> int:
    status = message.get("status") if isinstance(message, dict) else None
    return status if isinstance(status, int) else 1
