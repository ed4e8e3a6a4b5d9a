"""A command in a learner's shell with its streams at hand: the client's half of the agent's `exec` verb."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from sandbox import frames
from sandbox.backend import Connection, SandboxError
from sandbox.client import Size

Object = dict[str, Any]
Stream = Literal["stdout", "stderr"]


class CommandStream:
    """One running command; closing it kills the command."""

    def __init__(self, connection: Connection) -> None:
        self._reader, self._writer = connection
        self.status: int | None = None
        """The exit code, once `output` has come to its end."""

    async def start(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, tty: Size | None = None
    ) -> None:
        """Start the command; with a size on a terminal. Raises SandboxError."""
        request: Object = {"verb": "exec", "argv": list(command), "environment": dict(environment or {})}
        request["tty"] = tty is not None
        if tty is not None:
            request |= {"columns": tty.columns, "rows": tty.rows}
        await self._send(frames.object_frame(request))
        message = await self._receive()
        if not isinstance(message, dict) or message.get("type") != "started":
            raise SandboxError(_reason(message))

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """What the command prints, until it has ended. Raises SandboxError when the sandbox ends first."""
        stream: Stream = "stdout"
        while True:
            message = await self._receive()
            if isinstance(message, bytes):
                yield stream, message
            elif message is None:
                raise SandboxError("The sandbox ended before the command did.")
            elif message.get("type") == "stream":
                stream = "stderr" if message.get("stream") == "stderr" else "stdout"
            elif message.get("type") == "completed":
                status = message.get("status")
                self.status = status if isinstance(status, int) else 1
                return
            elif message.get("type") == "error":
                raise SandboxError(_reason(message))

    async def write(self, data: bytes) -> None:
        """Type into the command."""
        for start in range(0, len(data), frames.BYTES_LIMIT):
            await self._send(frames.bytes_frame(data[start : start + frames.BYTES_LIMIT]))

    async def end_input(self) -> None:
        """Nothing more will be typed."""
        await self._send(frames.object_frame({"type": "eof"}))

    async def resize(self, size: Size) -> None:
        """Tell the command's terminal its size."""
        await self._send(frames.object_frame({"type": "resize", "columns": size.columns, "rows": size.rows}))

    async def signal(self, number: int) -> None:
        """Send the command a signal."""
        await self._send(frames.object_frame({"type": "signal", "signal": number}))

    def close(self) -> None:
        """Let go of the command."""
        self._writer.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be typed any more."""
        return self._writer.is_closing()

    async def _send(self, frame: bytes) -> None:
        if self.closed:
            return
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except ConnectionError:
            pass  # reading tells why: the command has ended, or the sandbox

    async def _receive(self) -> bytes | Object | None:
        try:
            return await frames.read_frame(self._reader)
        except (ConnectionError, frames.FrameError) as error:
            raise SandboxError("The sandbox cut the connection.") from error


def _reason(message: object) -> str:
    if isinstance(message, dict) and message.get("message"):
        return str(message["message"])[:1000]
    return "The sandbox did not start the command."
