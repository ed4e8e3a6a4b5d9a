"""The asyncio client of the starter: how the agent and the cluster make, enter, watch and end containers.

Every connection is independent: a container outlives the connection that started it; an exec session does not.
The wire (one JSON object a packet on a SEQPACKET socket, file descriptors beside it) is in `starter_wire.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandbox.linux import oci, starter_wire

Object = dict[str, Any]

_OOM_SECONDS = 0.5


class ContainerError(Exception):
    """A container could not do what was asked; the message is crun's or ours, for people."""


class CannotStart(ContainerError):
    """The container or the exec could not be started."""


class NoSuchContainer(ContainerError):
    """There is no container of that id."""


class StarterGone(ContainerError):
    """The starter has ended or cut the connection; the sandbox is of no more use."""


@dataclass(frozen=True)
class Resources:
    """What one container may use; None: only what its part of the sandbox may."""

    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    processes: int | None = None


@dataclass(frozen=True)
class NewContainer:
    """A container to be made: `config` says what runs, the rest how the starter keeps it."""

    id: str
    """`[a-z0-9][a-z0-9-]{0,63}`, chosen by the caller."""
    config: oci.ContainerConfig
    part: Literal["learner", "pods"] = "pods"
    """Whose budget it uses, when the host has cgroups."""
    resources: Resources = Resources()
    log: str | None = None
    """Path of its CRI log (its directory exists); None: output is thrown away unless someone is attached."""
    log_limit: int = 10 * 1024 * 1024
    """Bytes; beyond it the log moves to `<log>.1` (the older one is lost)."""
    stdin: bool = False
    """Keep its input open for `attach`; otherwise it reads /dev/null."""
    stdin_once: bool = False
    """Its input ends when the first attached session that had it ends."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Kept with it and returned by `list`, so that a restarted owner knows its own."""


@dataclass(frozen=True)
class Exit:
    """How a container or a session ended."""

    code: int
    """Exit code, or 128 + signal."""
    oom_killed: bool
    finished_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Known:
    """What the starter knows about one container."""

    id: str
    pid: int
    """Its first process as the sandbox numbers it; 0 once it has ended."""
    started_at: float
    labels: Mapping[str, str]
    log: str | None
    memory_limit: int | None
    exit: Exit | None
    """None while it runs."""


@dataclass(frozen=True)
class Usage:
    """What a container uses now."""

    cpu_nanoseconds: int
    memory_bytes: int
    processes: int


class Session:
    """A process started with `exec`, or one's own ends of a container's streams (`attach`).

    The descriptors are non-blocking and belong to whoever takes them; `close` closes those that are left.
    With a tty only `console` is set, otherwise `stdin`, `stdout` and `stderr` as far as they were asked for.
    `streams.open_reader(fd)` and `streams.open_writer(fd)` turn them into asyncio streams.
    """

    def __init__(self, containers: Containers, name: str, *, pid: int, fds: Mapping[str, int]) -> None:
        self._containers = containers
        self.name = name
        self.pid = pid
        """As the sandbox numbers it; 0 for an attachment."""
        self.console = fds.get("console")
        self.stdin = fds.get("stdin")
        self.stdout = fds.get("stdout")
        self.stderr = fds.get("stderr")

    def take(self, stream: Literal["console", "stdin", "stdout", "stderr"]) -> int:
        """The descriptor, which is the caller's from now on."""
        fd: int | None = getattr(self, stream)
        if fd is None:
            raise ContainerError(f"This session has no {stream}.")
        setattr(self, stream, None)
        return fd

    async def wait(self) -> Exit:
        """How the process ended (for an attachment: the container)."""
        return await self._containers.wait(self.name)

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal the exec'd process; nothing when it has ended. Must not be used on an attachment."""
        await self._containers.kill(self.name, number)

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        for stream in ("console", "stdin", "stdout", "stderr"):
            fd = getattr(self, stream)
            if fd is not None:
                os.close(fd)
                setattr(self, stream, None)


class Containers:
    """One connection to the starter; make it with `Containers.connect(path)`, end it with `close`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        self._link = starter_wire.Link(connection)

    @classmethod
    async def connect(cls, path: str | Path) -> Containers:
        """Connect to the starter's socket. Raises StarterGone."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(path))  # a local queue: it answers at once or not at all
        except OSError as error:
            connection.close()
            raise StarterGone("The sandbox's starter does not answer.") from error
        return cls(connection)

    async def close(self) -> None:
        """End the connection: sessions that it started are killed, containers live on."""
        await self._link.close()

    async def start(self, container: NewContainer) -> Known:
        """Create and start the container; its first process runs. Raises CannotStart (also when the id is taken)."""
        bundle = oci.write_bundle(container.id, container.config)  # a few kB on a tmpfs
        request = {
            "id": container.id,
            "bundle": str(bundle),
            "tty": container.config.tty,
            "part": container.part,
            "resources": asdict(container.resources),
            "log": container.log,
            "log_limit": container.log_limit,
            "stdin": container.stdin,
            "stdin_once": container.stdin_once,
            "labels": dict(container.labels),
        }
        answer, _ = await self._call("start", request)
        return _known(answer)

    async def wait(self, name: str) -> Exit:
        """How the container, session or entry point of that name ended; may be asked again until it is removed.

        Raises NoSuchContainer.
        """
        answer, _ = await self._call("wait", {"id": name})
        return _exit(answer)

    async def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Signal the first process; nothing when it has ended."""
        await self._call("kill", {"id": name, "signal": int(number)})

    async def mark_oom(self, pid: int) -> None:
        """Have the end of the container that this process belongs to count as OOMKilled, if it ends with an error."""
        await self._call("oom", {"pid": pid})

    async def remove(self, name: str) -> None:
        """Kill what runs of the container and forget it; removing what is gone is no error. Its log stays."""
        await self._call("remove", {"id": name})

    async def list(self) -> Sequence[Known]:
        """Every container that has not been removed."""
        known: tuple[Known, ...] = ()
        while True:
            answer, _ = await self._call("list", {"after": known[-1].id if known else ""})
            known += tuple(_known(entry) for entry in answer["containers"])
            if not answer["more"]:
                return known

    async def exec(self, container: str, process: oci.Process, *, stdin: bool = True) -> Session:
        """Run a further process inside a running container. Raises CannotStart or NoSuchContainer.

        With `process.tty` the session has a console, otherwise three pipes (two without
        `stdin`). It is killed when this connection closes.
        """
        specification = oci.write_process(container, process)
        ours, theirs = ({}, []) if process.tty else _pipes(stdin=stdin)
        request = {"id": container, "process": str(specification), "tty": process.tty, "stdin": stdin}
        try:
            answer, fds = await self._call("exec", request, theirs)
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        if process.tty:
            ours = {"console": fds[0]}
            os.set_blocking(fds[0], False)
        return Session(self, answer["session"], pid=answer["pid"], fds=ours)

    async def attach(self, container: str, *, stdin: bool = False) -> Session:
        """Join the container's own streams, from now on. Output of a container with a tty comes on `stdout`.

        A session that falls more than 1 MiB behind is cut (its stdout ends); the container is never held up.
        With `stdin`, `session.stdin` is the container's input (its console with a tty). Raises NoSuchContainer.
        """
        answer, fds = await self._call("attach", {"id": container, "stdin": stdin})
        for fd in fds:
            os.set_blocking(fd, False)
        return Session(self, container, pid=0, fds=dict(zip(answer["streams"], fds, strict=True)))

    async def resize(self, container: str, columns: int, rows: int) -> None:
        """Set the size of the container's own console; nothing without a tty."""
        await self._call("resize", {"id": container, "columns": columns, "rows": rows})

    async def usage(self, container: str) -> Usage | None:
        """What the container uses now, or None when it has ended."""
        answer, _ = await self._call("usage", {"id": container})
        return Usage(**answer["usage"]) if answer["usage"] else None

    async def fork(self, entry: str, config: Object, *, log: str) -> int:
        """Fork the registered entry point `entry` and call it with `config`; its process id.

        Its output goes to the file `log`. It is named `entry` for `wait` and `kill`; at most one runs at a time
        (starting what runs raises CannotStart), and it outlives this connection.
        """
        answer, _ = await self._call("fork", {"entry": entry, "config": config, "log": log})
        return int(answer["pid"])

    async def _call(self, verb: str, request: Object, fds: Sequence[int] = ()) -> tuple[Object, Sequence[int]]:
        try:
            answer, received = await self._link.call({"verb": verb, **request}, fds)
        except ConnectionError as error:
            raise StarterGone("The sandbox's starter has ended.") from error
        problem = answer.get("error")
        if problem is not None:
            kind = {"gone": NoSuchContainer, "start": CannotStart}.get(answer.get("kind", ""), ContainerError)
            raise kind(problem)
        return answer, received


def _pipes(*, stdin: bool) -> tuple[dict[str, int], list[int]]:
    """Our ends by name, and the ends to send, in the order stdin (if any), stdout, stderr."""
    ours: dict[str, int] = {}
    theirs: list[int] = []
    for name in ("stdin", "stdout", "stderr") if stdin else ("stdout", "stderr"):
        read, write = os.pipe2(os.O_CLOEXEC)
        ours[name], other = (write, read) if name == "stdin" else (read, write)
        theirs.append(other)
        os.set_blocking(ours[name], False)
    return ours, theirs


def _exit(answer: Object) -> Exit:
    return Exit(code=answer["code"], oom_killed=answer["oom"], finished_at=answer["at"])


def _known(answer: Object) -> Known:
    return Known(
        id=answer["id"],
        pid=answer["pid"],
        started_at=answer["started_at"],
        labels=answer["labels"],
        log=answer["log"],
        memory_limit=answer["memory_limit"],
        exit=_exit(answer["exit"]) if answer["exit"] else None,
    )


def mark_oom_now(path: str | Path, pid: int) -> None:
    """`Containers.mark_oom` for who is about to kill that process: returns once the starter knows, within 0.5 s."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, contextlib.suppress(OSError, ValueError):
        connection.settimeout(_OOM_SECONDS)
        connection.connect(str(path))
        starter_wire.send(connection, {"n": 1, "verb": "oom", "pid": pid})
        starter_wire.receive(connection)
