"""The starter: a small single-threaded process that owns every container of a sandbox.

It alone runs crun. It is the subreaper, so that it alone learns how containers end, and it keeps that, their output and
their consoles whatever happens to those who asked for them: a killed cluster process finds its containers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.linux import starter_wire
from sandbox.linux.cgroup import Group
from sandbox.linux.children import Children, reset_signals
from sandbox.linux.contained import Gone, Refused
from sandbox.linux.containment import Containment
from sandbox.linux.crun import CrunError
from sandbox.linux.forked import Forked

Object = dict[str, Any]
EntryPoint = Callable[[Object], int]
Answer = tuple[Object, list[int]]

_PR_SET_CHILD_SUBREAPER = 36
_CONNECTIONS = 64
_REQUESTS = 4096
"""Unanswered requests of one connection; most of them wait for a container's end."""
_UNSENT = 1024


def listen(path: Path) -> socket.socket:
    """The starter's listening socket, made before the fork so that clients can connect at once."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen(_CONNECTIONS)
    return listener


def main(listener: socket.socket, *, groups: Mapping[str, Group], entries: Mapping[str, EntryPoint]) -> int:
    """Serve until killed. `groups`: each part's control group (`learner`, `pods`); `entries`: what may be forked."""
    reset_signals()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    asyncio.run(_serve(listener, groups, entries))
    return 0


async def _serve(listener: socket.socket, groups: Mapping[str, Group], entries: Mapping[str, EntryPoint]) -> None:
    listener.settimeout(0)
    loop = asyncio.get_running_loop()
    children = Children()
    containment = Containment(children, groups)
    forked = Forked(children, entries)
    sessions: set[Connection] = set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        if len(sessions) >= _CONNECTIONS:
            connection.close()
            continue
        connection.settimeout(0)
        sessions.add(Connection(connection, containment, forked, on_end=sessions.discard))


class Connection:
    """One client: its requests run side by side, its exec sessions end with it."""

    def __init__(
        self,
        connection: socket.socket,
        containment: Containment,
        forked: Forked,
        *,
        on_end: Callable[[Connection], None],
    ) -> None:
        self._connection = connection
        self._containment = containment
        self._forked = forked
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: set[str] = set()
        self._unsent: list[tuple[Object, list[int]]] = []
        self._closed = False
        self._loop.add_reader(connection.fileno(), self._readable)

    def _readable(self) -> None:
        while not self._closed:
            try:
                packet = starter_wire.receive(self._connection)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                packet = None
            if packet is None or len(self._tasks) >= _REQUESTS:
                self._close()
                return
            task = self._loop.create_task(self._answer(*packet))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Object, fds: list[int]) -> None:
        try:
            answer, given = await self._carry_out(request, fds)
        except Gone as error:
            answer, given = {"error": str(error), "kind": "gone"}, []
        except (Refused, CrunError) as error:
            answer, given = {"error": str(error), "kind": "start"}, []
        except Exception as error:  # noqa: BLE001 - the top of a request: the starter must go on
            traceback.print_exc()
            answer, given = {"error": f"{type(error).__name__}: {error}", "kind": "request"}, []
        finally:
            _close_all(fds)
        self._send({"n": request.get("n", 0), **answer}, given)

    async def _carry_out(self, request: Object, fds: list[int]) -> Answer:
        verb = request["verb"]
        if verb == "start":
            contained = await self._containment.start(request)
            return contained.known(), []
        if verb == "exec":
            session, console = await self._containment.exec(request, fds)
            self._sessions.add(session.name)
            return {"session": session.name, "pid": session.pid}, [console] if console >= 0 else []
        if verb == "fork":
            return {"pid": self._forked.start(request["entry"], request["config"], Path(request["log"]))}, []
        if verb == "list":
            return self._list(request["after"]), []
        if verb == "wait":
            return await self._wait(request["id"]), []
        if verb == "kill":
            return self._kill(request), []
        if verb == "oom":
            self._containment.mark_oom(request["pid"])
            return {}, []
        if verb == "remove":
            await self._containment.remove(request["id"])
            return {}, []
        return self._about_one(verb, request)

    def _about_one(self, verb: str, request: Object) -> Answer:
        contained = self._containment.find(request["id"])
        if verb == "attach":
            streams = contained.attach(stdin=request["stdin"])
            return {"streams": list(streams)}, list(streams.values())
        if verb == "resize":
            contained.resize(request["columns"], request["rows"])
            return {}, []
        if verb == "usage":
            return {"usage": contained.usage()}, []
        raise ValueError(f"no such verb: {verb}")

    async def _wait(self, name: str) -> Object:
        if self._forked.knows(name):
            return await self._forked.wait(name)
        if name in self._sessions:
            try:
                return await self._containment.wait_session(name)
            finally:
                self._sessions.discard(name)
        return await self._containment.find(name).wait()

    def _kill(self, request: Object) -> Object:
        name, number = request["id"], int(request["signal"])
        if self._forked.knows(name):
            self._forked.kill(name, number)
        elif self._containment.names_session(name):
            self._containment.kill_session(name, number)
        else:
            self._containment.find(name).kill(number)
        return {}

    def _list(self, after: str) -> Object:
        page = self._containment.page(after)
        return {"containers": [contained.known() for contained in page], "more": bool(page)}

    def _send(self, answer: Object, fds: list[int]) -> None:
        self._unsent.append((answer, fds))
        if len(self._unsent) > _UNSENT:
            self._close()
        elif len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent and not self._closed:
            answer, fds = self._unsent[0]
            try:
                starter_wire.send(self._connection, answer, fds)
            except BlockingIOError:
                self._loop.add_writer(self._connection.fileno(), self._flush)
                return
            except (OSError, ValueError):
                self._close()
                return
            self._unsent.pop(0)
            _close_all(fds)
        if self._closed:
            self._discard_unsent()
        else:
            self._loop.remove_writer(self._connection.fileno())

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        self._connection.close()
        self._discard_unsent()
        for task in self._tasks:
            task.cancel()
        for name in self._sessions:
            self._containment.end_session(name)
        self._on_end(self)

    def _discard_unsent(self) -> None:
        while self._unsent:
            _close_all(self._unsent.pop()[1])


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
