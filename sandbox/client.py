"""The platform's side of the agent protocol (docs/protocol.md): one class, one method a verb."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sandbox.backend import Connection

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
    """"" when passed; else "absent", "case:N" (index of the hint case that matched), "otherwise", "script" or "error"."""
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
    """Speaks to one sandbox's agent; every call opens a connection of its own through `connect`."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect

    async def attach(
        self, terminal: str, *, since: int | None, size: Size, viewer: str, interactive: bool
    ) -> TerminalStream:
        """Attach to the named terminal, opening it when it does not exist.

        `since` is the offset up to which the caller has everything, or None for the whole ring.
        """
        raise NotImplementedError

    async def terminals(self) -> Sequence[Object]:
        """The open terminals: name, running command or None, exit status of the last, columns, rows."""
        raise NotImplementedError

    async def close_terminal(self, terminal: str) -> None:
        """End the terminal and its processes."""
        raise NotImplementedError

    def watch(self, checks: Sequence[Object]) -> AsyncIterator[Sequence[Verdict]]:
        """Verdicts for `checks`, all of them, at once and then each time one of them changes, until closed."""
        raise NotImplementedError

    async def check(self, checks: Sequence[Object]) -> Sequence[Verdict]:
        """Evaluate `checks` once, now."""
        raise NotImplementedError

    def events(self) -> AsyncIterator[Event]:
        """What happens in the sandbox from now on: commands, terminals, cluster, picture."""
        raise NotImplementedError

    async def run(
        self,
        script: str,
        *,
        where: Literal["learner", "clean"] = "learner",
        environment: Mapping[str, str] = {},
        timeout: float = 60.0,
    ) -> Completed:
        """Run a bash script unseen: in the learner's own root, or in a clean container that sees it at /learner."""
        raise NotImplementedError

    async def put(self, files: Mapping[str, tuple[bytes, int]]) -> None:
        """Write files (absolute path → content, mode) into the learner's root, as the learner's user."""
        raise NotImplementedError

    async def dial(self, port: int, host: str = "127.0.0.1") -> Connection:
        """A TCP connection to a port inside the sandbox."""
        raise NotImplementedError

    async def minikube(self, arguments: Sequence[str]) -> Completed:
        """Run a minikube command as if the learner had typed it, unseen."""
        raise NotImplementedError
