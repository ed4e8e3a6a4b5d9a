"""All containers of a sandbox and the sessions inside them: what the starter can do with them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sandbox.linux import oci, processes
from sandbox.linux.cgroup import Group
from sandbox.linux.children import Children
from sandbox.linux.contained import Contained, Gone, Refused, shell_code
from sandbox.linux.crun import Crun, CrunError

Object = dict[str, Any]

_PAGE = 32
_END_SECONDS = 10.0
"""How long `remove` waits for a killed process."""
_CONTAINERS = 256
_SESSION = "session:"
"""No container can be named so."""


Result = TypeVar("Result")


@dataclass
class Session:
    """A process that was exec'd."""

    name: str
    pid: int
    ended: asyncio.Future[int]


class Containment:
    """All containers of the sandbox, and the sessions inside them."""

    def __init__(self, children: Children, groups: Mapping[str, Group]) -> None:
        self._children = children
        self._groups = groups
        self._crun = Crun(children)
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._containers: dict[str, Contained] = {}
        self._sessions: dict[str, Session] = {}
        self._number = itertools.count(1)
        self._tasks: set[asyncio.Task[Any]] = set()

    def find(self, name: str) -> Contained:
        """The container of that id. Raises Gone."""
        contained = self._containers.get(name)
        if contained is None:
            raise Gone(f"there is no container {name}")
        return contained

    def page(self, after: str) -> Sequence[Contained]:
        """A page of the started containers in the order of their ids, after that id."""
        names = sorted(name for name, contained in self._containers.items() if name > after and contained.ready)
        return [self._containers[name] for name in names[:_PAGE]]

    async def start(self, request: Object) -> Contained:
        """Create and start a container, also when the client goes away meanwhile. Raises Refused, CrunError."""
        name = request["id"]
        if name in self._containers:
            raise Refused(f"there is a container {name} already")
        if len(self._containers) >= _CONTAINERS:
            raise Refused(f"there are {_CONTAINERS} containers already")
        bundle = oci.bundle_of(name)
        limits = request["resources"]
        group = self._groups[request["part"]].child(name, **limits)
        contained = Contained(request, self._children, group)
        self._containers[name] = contained
        await self._to_the_end(self._create_or_forget(contained, bundle, request))
        return contained

    async def exec(self, request: Object, fds: Sequence[int]) -> tuple[Session, int]:
        """Run a process in a container: the session and its console (-1 without a tty). Raises Gone, CrunError."""
        return await self._to_the_end(self._exec(request, [os.dup(fd) for fd in fds]), undo=self._undo_exec)

    async def remove(self, name: str) -> None:
        """Kill and forget the container; removing what is gone is no error."""
        contained = self._containers.get(name)
        if contained is not None:
            await self._to_the_end(self._remove(contained))

    def mark_oom(self, pid: int) -> None:
        """Note that this process is being killed for want of memory, whichever container it belongs to."""
        namespace = processes.pid_namespace(pid)
        for contained in self._containers.values():
            if namespace and contained.pid > 0 and processes.pid_namespace(contained.pid) == namespace:
                contained.mark_oom()

    def names_session(self, name: str) -> bool:
        """Whether that is the name of a session, also of one that has ended."""
        return name.startswith(_SESSION)

    def kill_session(self, name: str, number: int) -> None:
        """Signal a session's process; nothing when it has ended."""
        session = self._sessions.get(name)
        if session is not None and not session.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(session.pid, number)

    def end_session(self, name: str) -> None:
        """Kill a session whose owner has gone and forget it."""
        self.kill_session(name, signal.SIGKILL)
        self._sessions.pop(name, None)

    async def wait_session(self, name: str) -> Object:
        """How the session ended; it is forgotten then. Raises Gone."""
        session = self._sessions.get(name)
        if session is None:
            raise Gone(f"there is no session {name}")
        code = await asyncio.shield(session.ended)
        self._sessions.pop(name, None)
        return {"code": shell_code(code), "oom": False, "at": time.time()}

    async def _to_the_end(
        self, work: Coroutine[Any, Any, Result], undo: Callable[[Result], None] | None = None
    ) -> Result:
        """Finish `work` even if whoever asked goes away meanwhile; `undo` what it brought then."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: _undo(done, undo))
            raise

    def _undo_exec(self, result: tuple[Session, int]) -> None:
        session, console = result
        self.end_session(session.name)
        if console >= 0:
            os.close(console)

    async def _create_or_forget(self, contained: Contained, bundle: Path, request: Object) -> None:
        try:
            await self._create(contained, bundle, request)
        except (CrunError, OSError, ValueError):
            contained.abandon()
            await self._crun.delete(contained.id)
            contained.group.remove()
            shutil.rmtree(bundle, ignore_errors=True)
            del self._containers[contained.id]
            raise

    async def _create(self, contained: Contained, bundle: Path, request: Object) -> None:
        # With cgroup v1 only the host's root may move a process that has become another user already.
        early = contained.group if contained.group.version == 1 else None
        if contained.tty:
            pid, console = await self._crun.create(contained.id, bundle, None, early)
            contained.opened(stdin=-1, console=console, stdout=-1, stderr=-1)
        else:
            pid = await self._create_with_pipes(contained, bundle, early, stdin=request["stdin"])
        if early is None:
            contained.group.enter(pid)
        await self._crun.start(contained.id)
        contained.running(pid)

    async def _create_with_pipes(self, contained: Contained, bundle: Path, group: Group | None, *, stdin: bool) -> int:
        stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC) if stdin else (os.dup(self._null), -1)
        stdout_read, stdout_write = os.pipe2(os.O_CLOEXEC)
        stderr_read, stderr_write = os.pipe2(os.O_CLOEXEC)
        contained.opened(stdin=stdin_write, console=-1, stdout=stdout_read, stderr=stderr_read)
        theirs = (stdin_read, stdout_write, stderr_write)
        try:
            pid, _ = await self._crun.create(contained.id, bundle, theirs, group)
        finally:
            for fd in theirs:
                os.close(fd)
        return pid

    async def _exec(self, request: Object, fds: list[int]) -> tuple[Session, int]:
        process = Path(request["process"])
        try:
            contained = self.find(request["id"])
            if contained.pid <= 0:
                raise Gone(f"container {contained.id} has ended")
            stdio = None if request["tty"] else self._stdio(fds, stdin=request["stdin"])
            pid, console = await self._crun.exec(contained.id, process, stdio, contained.group)
        finally:
            for fd in fds:
                os.close(fd)
            process.unlink(missing_ok=True)  # noqa: ASYNC240 - on a tmpfs
        session = Session(f"{_SESSION}{next(self._number)}", pid, self._children.watch(pid))
        self._sessions[session.name] = session
        return session, console

    def _stdio(self, fds: Sequence[int], *, stdin: bool) -> tuple[int, int, int]:
        if len(fds) != (3 if stdin else 2):
            raise ValueError("the wrong number of descriptors")
        return (fds[0], fds[1], fds[2]) if stdin else (self._null, fds[0], fds[1])

    async def _remove(self, contained: Contained) -> None:
        contained.kill(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await contained.wait()
        await self._crun.delete(contained.id)
        contained.group.remove()
        shutil.rmtree(oci.bundle_of(contained.id), ignore_errors=True)
        self._containers.pop(contained.id, None)


def _undo(done: asyncio.Task[Result], undo: Callable[[Result], None] | None) -> None:
    if not done.cancelled() and done.exception() is None and undo is not None:
        undo(done.result())
