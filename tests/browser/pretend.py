"""Sandboxes that are only a bash on a pty of this machine: what the browser tests need when they are about the page.

Keeps the promises of sandbox/backend.py and sandbox/client.py that the page relies on: terminals with a replay ring
and absolute offsets, marks, the acknowledgement window, events, and checks on commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.backend import Connection, SandboxGone, SandboxSpec, SandboxState
from sandbox.client import Completed, Event, SandboxClient, Size, Verdict

Object = dict[str, Any]

RING, WINDOW, RESUME = 256 * 1024, 128 * 1024, 32 * 1024
_MARK = re.compile(rb"\x1b\]7770;([PC])([^\x07]*)\x07")
_BASHRC = r"""
PS1='\[\e[1;34m\]$\[\e[0m\] '
HISTFILE=
PROMPT_COMMAND='printf "\e]7770;P%s\a" "$?"; armed=1'
trap '[ -n "$armed" ] && { armed=; printf "\e]7770;C%s\a" "$BASH_COMMAND"; }' DEBUG
bind 'set enable-bracketed-paste on'
cd "$HOME"
"""

PICTURE: Object = {
    "nodes": [{"name": "minikube", "ready": True, "schedulable": True}],
    "pods": [
        {
            "namespace": "default",
            "name": f"kubernetes-bootcamp-5d8f7c9b6-{suffix}",
            "node": "minikube",
            "phase": "Running" if ready else "Pending",
            "ready": ready,
            "reason": reason,
            "ip": ip,
            "labels": {"app": "kubernetes-bootcamp"},
            "owner": "kubernetes-bootcamp-5d8f7c9b6",
            "images": [f"kubernetes-bootcamp:{version}"],
            "deleting": deleting,
        }
        for suffix, ready, reason, ip, version, deleting in (
            ("7xk2p", True, "", "10.244.0.4", "v1", False),
            ("q9d4m", True, "", "10.244.0.5", "v1", True),
            ("tz81c", True, "", "10.244.0.6", "v2", False),
            ("w3n0v", False, "ContainerCreating", "", "v2", False),
            ("zz0aa", False, "ImagePullBackOff", "10.244.0.8", "v10", False),
        )
    ],
    "services": [
        {
            "namespace": "default",
            "name": "kubernetes-bootcamp",
            "type": "NodePort",
            "ip": "10.104.22.8",
            "ports": [{"port": 8080, "nodePort": 31006}],
            "selector": {"app": "kubernetes-bootcamp"},
            "endpoints": ["kubernetes-bootcamp-5d8f7c9b6-7xk2p", "kubernetes-bootcamp-5d8f7c9b6-tz81c"],
        }
    ],
    "deployments": [
        {"namespace": "default", "name": "kubernetes-bootcamp", "wanted": 4, "ready": 2, "updated": 2, "images": []}
    ],
}


class PretendTerminal:
    """A bash on a pty, its ring, and who looks at it."""

    def __init__(self, sandbox: PretendSandbox, name: str) -> None:
        self.sandbox, self.name = sandbox, name
        self.ring, self.start, self.end = bytearray(), 0, 0
        self.viewers: list[PretendStream] = []
        self.state, self.command, self.status = "starting", "", 0
        self.unparsed = b""
        self.master, slave = pty.openpty()
        rc = Path(sandbox.home) / ".rc"
        rc.write_text(_BASHRC)
        environment = {"HOME": sandbox.home, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--rcfile", str(rc), "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        self.reading = False
        self.read_on()

    def read_on(self) -> None:
        """Read the terminal, unless somebody who types is a window behind."""
        behind = any(self.end - viewer.acknowledged >= WINDOW for viewer in self.viewers[:1])
        loop = asyncio.get_running_loop()
        if behind and self.reading:
            loop.remove_reader(self.master)
            self.reading = False
        elif not self.reading and not any(self.end - viewer.acknowledged > RESUME for viewer in self.viewers[:1]):
            loop.add_reader(self.master, self.readable)
            self.reading = True

    def readable(self) -> None:
        try:
            data = self.unparsed + os.read(self.master, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)
            self.reading = False
            return
        keep = len(data)
        open_mark = data.rfind(b"\x1b]7770;")
        if open_mark >= 0 and b"\x07" not in data[open_mark:] and len(data) - open_mark < 4096:
            keep = open_mark
        elif data.endswith((b"\x1b", b"\x1b]", b"\x1b]7", b"\x1b]77")):
            keep = data.rfind(b"\x1b")
        self.unparsed = data[keep:]
        place = 0
        for mark in _MARK.finditer(data[:keep]):
            self.print(data[place : mark.start()])
            self.mark(mark[1].decode(), mark[2].decode(errors="replace"))
            place = mark.end()
        self.print(data[place:keep])
        self.read_on()

    def print(self, data: bytes) -> None:
        if not data:
            return
        self.ring += data
        self.end += len(data)
        if len(self.ring) > RING:
            del self.ring[: len(self.ring) - RING]
        self.start = self.end - len(self.ring)
        for viewer in self.viewers:
            viewer.queue.put_nowait(data)

    def mark(self, kind: str, words: str) -> None:
        if kind == "C":
            self.state, self.command = "running", words
            self.tell({"type": "mark", "mark": "command", "offset": self.end, "command": words})
        else:
            if self.state == "running":
                self.sandbox.commands.append((self.command, int(words or 0)))
                self.tell({"type": "mark", "mark": "finished", "offset": self.end, "status": int(words or 0)})
            self.state, self.command, self.status = "prompt", "", int(words or 0)
            self.tell({"type": "mark", "mark": "prompt", "offset": self.end})
        self.sandbox.happened(self.event())

    def tell(self, message: Object) -> None:
        for viewer in self.viewers:
            viewer.queue.put_nowait(message)

    def event(self) -> Event:
        return Event(
            "terminal",
            {"terminal": self.name, "state": self.state, "command": self.command, "status": self.status},
        )

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.reading:
            asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)
        self.process.wait()
        for viewer in self.viewers:
            viewer.queue.put_nowait(None)


class PretendStream:
    """One attachment."""

    def __init__(self, terminal: PretendTerminal, since: int | None) -> None:
        self.terminal_object, self.terminal = terminal, terminal.name
        self.queue: asyncio.Queue[bytes | Object | None] = asyncio.Queue()
        fits = since is not None and terminal.start <= since <= terminal.end
        self.offset = since if fits and since is not None else terminal.start
        self.acknowledged = self.offset
        attached = {"type": "attached", "terminal": terminal.name, "offset": self.offset, "end": terminal.end}
        self.queue.put_nowait({**attached, "state": terminal.state, "command": terminal.command})
        if not fits:
            self.queue.put_nowait({"type": "reset", "offset": self.offset})
        replay = bytes(terminal.ring[self.offset - terminal.start :])
        for start in range(0, len(replay), 65536):
            self.queue.put_nowait(replay[start : start + 65536])
        terminal.viewers.append(self)

    async def frames(self) -> AsyncIterator[bytes | Object]:
        while (frame := await self.queue.get()) is not None:
            yield frame

    async def write(self, data: bytes) -> None:
        # As the real terminal does: who typed last is the one who can hold it up.
        viewers = self.terminal_object.viewers
        if self in viewers:
            viewers.remove(self)
            viewers.insert(0, self)
        while data:
            try:
                data = data[os.write(self.terminal_object.master, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)

    async def control(self, message: Object) -> None:
        if message["type"] == "ack":
            self.acknowledged = message["offset"]
            self.terminal_object.read_on()
        elif message["type"] == "resize":
            size = struct.pack("HHHH", message["rows"], message["columns"], 0, 0)
            fcntl.ioctl(self.terminal_object.master, termios.TIOCSWINSZ, size)

    async def close(self) -> None:
        if self in self.terminal_object.viewers:
            self.terminal_object.viewers.remove(self)
        self.queue.put_nowait(None)
        self.terminal_object.read_on()


class PretendSandbox:
    """Terminals, the commands typed in them, and who listens."""

    def __init__(self) -> None:
        self.home = tempfile.mkdtemp(prefix="quayside-test-")
        self.terminals: dict[str, PretendTerminal] = {}
        self.commands: list[tuple[str, int]] = []
        self.listeners: list[asyncio.Queue[Event]] = []
        self.cluster = "absent"

    def happened(self, event: Event) -> None:
        for listener in self.listeners:
            listener.put_nowait(event)

    def state(self) -> list[Event]:
        events = [terminal.event() for terminal in self.terminals.values()]
        events.append(Event("cluster", {"state": self.cluster}))
        return events


class PretendClient(SandboxClient):
    """What the site asks of a sandbox."""

    def __init__(self, backend: PretendBackend, name: str) -> None:
        super().__init__(lambda: backend.connect(name))
        self.backend, self.name = backend, name

    @property
    def sandbox(self) -> PretendSandbox:
        try:
            return self.backend.sandboxes[self.name]
        except KeyError as error:
            raise SandboxGone("There is no such sandbox.") from error

    async def attach(
        self, terminal: str, *, since: int | None, size: Size, viewer: str, interactive: bool
    ) -> PretendStream:
        terminals = self.sandbox.terminals
        if terminal not in terminals:
            terminals[terminal] = PretendTerminal(self.sandbox, terminal)
        stream = PretendStream(terminals[terminal], since)
        await stream.control({"type": "resize", "columns": size.columns, "rows": size.rows})
        return stream

    async def events(self) -> AsyncIterator[Event]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        for event in self.sandbox.state():
            queue.put_nowait(event)
        self.sandbox.listeners.append(queue)
        try:
            while True:
                event = await queue.get()
                yield event
                if event.fields.get("command", "").startswith("minikube start"):
                    self.sandbox.cluster = "running"
                    yield Event("cluster", {"state": "running"})
                    yield Event("picture", PICTURE)
        finally:
            self.sandbox.listeners.remove(queue)

    def verdicts(self, checks: Sequence[Object]) -> list[Verdict]:
        found = []
        for check in checks:
            matching = [status for command, status in self.sandbox.commands if re.search(check["pattern"], command)]
            passed = any(check.get("status") in (None, status) for status in matching)
            found.append(Verdict(passed, "" if passed else "otherwise" if matching else "absent", "<b>x</b>"))
        return found

    async def watch(self, checks: Sequence[Object]) -> AsyncIterator[Sequence[Verdict]]:
        last = None
        while True:
            now = self.verdicts(checks)
            if now != last:
                yield now
            last = now
            await asyncio.sleep(0.05)

    async def check(self, checks: Sequence[Object]) -> Sequence[Verdict]:
        return self.verdicts(checks)

    async def put(self, files: Mapping[str, tuple[bytes, int]]) -> None:
        """There is nobody to give them to."""

    async def minikube(self, arguments: Sequence[str]) -> Completed:
        return Completed(0, b"")

    async def run(
        self, script: str, *, where: Any = "learner", environment: Mapping[str, str] = {}, timeout: float = 60.0
    ) -> Completed:
        return Completed(0, b"")


class PretendBackend:
    """Names to pretend sandboxes."""

    name = "pretend"

    def __init__(self) -> None:
        self.sandboxes: dict[str, PretendSandbox] = {}

    async def start(self, name: str, spec: SandboxSpec) -> None:
        self.sandboxes.setdefault(name, PretendSandbox())

    async def stop(self, name: str) -> None:
        sandbox = self.sandboxes.pop(name, None)
        if sandbox is None:
            return
        loop = SERVER_LOOP[0]
        for terminal in sandbox.terminals.values():
            loop.call_soon_threadsafe(terminal.stop)

    async def list(self) -> Mapping[str, SandboxState]:
        return {name: SandboxState(name, running=True, started_at=0.0) for name in self.sandboxes}

    async def connect(self, name: str) -> Connection:
        if name not in self.sandboxes:
            raise SandboxGone("There is no such sandbox.")
        raise SandboxGone("A pretend sandbox has no agent.")


SERVER_LOOP: list[asyncio.AbstractEventLoop] = []
"""Workers stop sandboxes from their threads; ptys belong to the loop that serves."""
