"""One container that crun runs: its end, its signals, and the ways into it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster.kubelet.crun_messages import exec_message
from sandbox.cluster.kubelet.crun_process import CrunProcess
from sandbox.cluster.kubelet.runtime import Exit, StartError, Usage
from sandbox.linux import oci
from sandbox.linux.containers import ContainerError, Containers, Known, NoSuchContainer, StarterGone

log = logging.getLogger(__name__)

_USAGE_AGE = 2.0
"""Seconds after which a figure of use is asked for again."""

Cleanup = Callable[[str, Path], Awaitable[None]]


@dataclass(frozen=True)
class Identity:
    """As whom and in what surroundings processes run in a container: the first one and every exec."""

    environment: Mapping[str, str]
    cwd: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: tuple[str, ...]
    tty: bool

    def process(self, command: Sequence[str]) -> oci.Process:
        """The command, run by this identity."""
        return oci.Process(
            argv=tuple(command),
            environment=self.environment,
            cwd=self.cwd,
            uid=self.uid,
            gid=self.gid,
            groups=self.groups,
            capabilities=self.capabilities,
        )

    def save(self, directory: Path) -> None:
        """Write it down for a process that adopts the container."""
        (directory / "identity.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, directory: Path) -> Identity:
        """Read what `save` wrote. Raises OSError, ValueError, KeyError or TypeError."""
        stored: dict[str, Any] = json.loads((directory / "identity.json").read_text())
        return cls(**stored | {"groups": tuple(stored["groups"]), "capabilities": tuple(stored["capabilities"])})


class CrunContainer:
    """A started container."""

    def __init__(
        self, containers: Containers, known: Known, identity: Identity, directory: Path, cleanup: Cleanup
    ) -> None:
        self.id = known.id
        self.key = known.labels["key"]
        """name/attempt."""
        self.log = known.log or ""
        self._containers = containers
        self._started_at = known.started_at
        self._identity = identity
        self._directory = directory
        self._cleanup = cleanup
        self._usage: Usage | None = None
        self._usage_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._spawn(self._watch())

    @classmethod
    def adopted(cls, containers: Containers, known: Known, pod: Path, cleanup: Cleanup) -> CrunContainer:
        """A container that an earlier process started. Raises as `Identity.load` does."""
        name, _, attempt = known.labels["key"].rpartition("/")
        directory = pod / "containers" / f"{name}-{attempt}"
        return cls(containers, known, Identity.load(directory), directory, cleanup)

    def _spawn(self, work: Awaitable[None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except (ContainerError, OSError) as error:
                log.warning("container %s: %s", self.id[:12], error)

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        try:
            ended = await self._containers.wait(self.id)
            exit_ = Exit(ended.code, ended.oom_killed, self._started_at, ended.finished_at)
        except (NoSuchContainer, StarterGone):
            exit_ = Exit(137, oom_killed=False, started_at=self._started_at, finished_at=time.time())
        if not self._ended.done():
            self._ended.set_result(exit_)
        await self._cleanup(self.id, self._directory)

    async def wait(self) -> Exit:
        """How it ended."""
        return await asyncio.shield(self._ended)

    def kill(self, signal: int) -> None:
        """Send a signal to its first process; nothing when it has ended."""
        if not self._ended.done():
            self._spawn(self._kill(signal))

    async def _kill(self, signal: int) -> None:
        try:
            await self._containers.kill(self.id, signal)
        except NoSuchContainer:
            log.debug("container %s had ended before signal %d", self.id[:12], signal)

    async def exec(self, command: Sequence[str], *, stdin: bool, tty: bool) -> CrunProcess:
        """Run a command inside. Raises StartError."""
        process = self._identity.process(command)
        environment = dict(process.environment)
        if tty:
            environment.setdefault("TERM", "xterm")
        wanted = oci.Process(**{**vars(process), "environment": environment, "tty": tty})
        try:
            session = await self._containers.exec(self.id, wanted, stdin=stdin)
        except ContainerError as error:
            raise StartError(exec_message(error, command)) from error
        return await CrunProcess.of_exec(session, stdin=stdin)

    async def attach(self, *, stdin: bool) -> CrunProcess:
        """Join the container's own streams."""
        try:
            session = await self._containers.attach(self.id, stdin=stdin)
        except ContainerError as error:
            raise StartError(str(error)) from error
        return await CrunProcess.of_attachment(session, lambda columns, rows: self._resize(columns, rows))

    def _resize(self, columns: int, rows: int) -> None:
        if not self._ended.done():
            self._spawn(self._containers.resize(self.id, columns, rows))

    def usage(self) -> Usage | None:
        """Its use a moment ago, or None when it has ended or is not known yet."""
        if self._ended.done():
            return None
        now = time.monotonic()
        if now - self._usage_at > _USAGE_AGE:
            self._usage_at = now
            self._spawn(self._measure())
        return self._usage

    async def _measure(self) -> None:
        measured = await self._containers.usage(self.id)
        if measured is not None:
            self._usage = Usage(measured.cpu_nanoseconds, measured.memory_bytes)

    async def discard(self) -> None:
        """Kill it if it runs and return when all it held is free."""
        await self._containers.remove(self.id)
        await self.wait()
        while self._tasks:
            await asyncio.gather(*self._tasks)
