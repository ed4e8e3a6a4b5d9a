"""A terminal: a pty with a replay ring that outlives every socket, seen by any number of viewers at once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import signal
import struct
import termios
import time
from typing import Any, Literal

from sandbox.agent.happenings import Command, Happenings
from sandbox.agent.marks import Mark, MarkParser
from sandbox.agent.ring import Ring
from sandbox.agent.shell import Shell
from sandbox.agent.viewer import HIGH, LOW, Size, Viewer
from sandbox.linux.containers import ContainerError, Session

Object = dict[str, Any]
State = Literal["starting", "prompt", "running", "ended"]

_READ_BYTES = 64 * 1024
_TYPED_BYTES = 256 * 1024
"""What may wait to be read by the program in front; more is refused until it reads."""
_HELD_SECONDS = 0.1
"""How long the beginning of a possible mark is held back."""
_QUICK_SECONDS = 1.0
_QUICK_ENDS = 3
"""So many shells in a row that end at once, and the next one waits for a key."""
_HANGUP_SECONDS = 2.0
_KEEP_SHELL_MESSAGE = b"\r\n[The shell keeps ending. Press a key to start another one.]\r\n"


class Terminal:
    """One named terminal. Its owner, the interactive viewer who typed last, decides its size and may hold it up."""

    def __init__(self, name: str, shell: Shell, happenings: Happenings) -> None:
        self.name = name
        self.state: State = "starting"
        self.command = ""
        self.status: int | None = None
        self.size = Size(80, 24)
        self.ring = Ring()
        self._shell = shell
        self._happenings = happenings
        self._loop = asyncio.get_running_loop()
        self._viewers: dict[str, Viewer] = {}
        self._owner: Viewer | None = None
        self._console = -1
        self._reading = False
        self._parser = MarkParser("")
        self._held: asyncio.TimerHandle | None = None
        self._typed = bytearray()
        self._refused = False
        self._key = asyncio.Event()
        self._console_ended = asyncio.Event()
        self._life = self._loop.create_task(self._live())

    def description(self) -> Object:
        """What `terminals` tells about it."""
        return {
            "name": self.name,
            "state": self.state,
            "command": self.command,
            "status": self.status,
            "columns": self.size.columns,
            "rows": self.size.rows,
            "viewers": len(self._viewers),
        }

    def attach(self, viewer: Viewer, since: int | None) -> None:
        """Show the terminal to a viewer from `since` on, or from the oldest line that is still here."""
        former = self._viewers.get(viewer.name)
        if former is not None:
            former.end("replaced")
            self.detach(former)
        if self._owner is None and viewer.interactive:
            self._own(viewer)
        self._viewers[viewer.name] = viewer
        known = since is not None and self.ring.start <= since <= self.ring.end
        position = since if known and since is not None else self.ring.oldest_line()
        described = {"state": self.state, "command": self.command, "columns": self.size.columns, "rows": self.size.rows}
        first = {"type": "attached", "terminal": self.name, "offset": position, "end": self.ring.end, **described}
        viewer.begin(position, [first] if known else [first, {"type": "reset", "offset": position}])
        if not known and self.state == "running" and viewer is self._owner:
            self._repaint()

    def detach(self, viewer: Viewer) -> None:
        """Forget a viewer; detaching one that has been replaced does nothing."""
        if self._viewers.get(viewer.name) is viewer:
            del self._viewers[viewer.name]
        if self._owner is viewer:
            self._owner = None
            self._regulate()

    def type(self, viewer: Viewer, data: bytes) -> bool:
        """Type `data`; False when the program in front has too much to read already, or the viewer may not type."""
        self._refused = viewer.interactive and len(self._typed) + len(data) > _TYPED_BYTES
        if self._refused or not viewer.interactive:
            self._regulate()
            return False
        if self._owner is not viewer:
            self._own(viewer)
        self._key.set()
        self._happenings.tell({"type": "activity", "at": time.time()})
        self._typed += data
        self._write()
        return True

    def acknowledge(self, viewer: Viewer, offset: int) -> None:
        """Note that the viewer has rendered everything before `offset`."""
        viewer.acknowledge(offset)
        self._regulate()

    def resize(self, viewer: Viewer, size: Size) -> None:
        """Note the viewer's size; it takes effect if the viewer owns the terminal or nobody does."""
        viewer.size = size
        if viewer.interactive and self._owner in (None, viewer):
            self._own(viewer)

    async def close(self, reason: str = "closed") -> None:
        """End the shell and what it runs, and tell every viewer."""
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life
        for viewer in list(self._viewers.values()):
            viewer.end(reason)
        self._set_state("ended")

    async def _live(self) -> None:
        quick = 0
        while True:
            began = self._loop.time()
            try:
                await self._run_shell()
            except ContainerError as error:
                self._show(f"\r\n[{error}]\r\n".encode())
            quick = quick + 1 if self._loop.time() - began < _QUICK_SECONDS else 0
            if quick >= _QUICK_ENDS:
                self._show(_KEEP_SHELL_MESSAGE)
                self._key.clear()
                await self._key.wait()
                quick = 0

    async def _run_shell(self) -> None:
        """Run one shell from its start to its end."""
        nonce = secrets.token_hex(8)
        self._parser = MarkParser(nonce)
        self._set_state("starting")
        session = await self._shell.exec(self._shell.terminal(nonce, (self.size.columns, self.size.rows)))
        self._console = session.take("console")
        self._console_ended.clear()
        self._apply_size()
        self._regulate()
        self._write()
        try:
            await self._console_ended.wait()
            status = (await session.wait()).code
        except asyncio.CancelledError:
            await asyncio.shield(self._hang_up(session))
            raise
        finally:
            self._close_console()
        self._show(self._parser.flush())
        self.status = status
        self._broadcast({"type": "exit", "status": status, "offset": self.ring.end})
        self._happenings.tell({"type": "terminal", "terminal": self.name, "state": "ended", "status": status})

    async def _hang_up(self, session: Session) -> None:
        self._close_console()  # the kernel sends SIGHUP to the shell and to what is in front
        try:
            async with asyncio.timeout(_HANGUP_SECONDS):
                await session.wait()
        except TimeoutError:
            with contextlib.suppress(ContainerError):
                await session.kill(signal.SIGKILL)
        except ContainerError:
            pass

    def _close_console(self) -> None:
        if self._console >= 0:
            self._stop_reading()
            self._loop.remove_writer(self._console)
            os.close(self._console)
            self._console = -1
        self._typed.clear()

    def _readable(self) -> None:
        """Read until there is no more or 64 KiB: a pty gives 4 KiB at most a call."""
        pieces: list[bytes] = []
        size = 0
        ended = False
        while size < _READ_BYTES:
            try:
                piece = os.read(self._console, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                ended = error.errno == errno.EIO
                break
            if not piece:
                ended = True
                break
            pieces.append(piece)
            size += len(piece)
        for part in self._parser.feed(b"".join(pieces)):
            if isinstance(part, Mark):
                self._marked(part)
            else:
                self._show(part)
        self._hold_for_a_while()
        if ended:
            self._stop_reading()
            self._console_ended.set()
        else:
            self._regulate()

    def _hold_for_a_while(self) -> None:
        if self._held is not None:
            self._held.cancel()
        self._held = self._loop.call_later(_HELD_SECONDS, self._let_go) if self._parser.holding else None

    def _let_go(self) -> None:
        self._held = None
        self._show(self._parser.flush())

    def _show(self, data: bytes) -> None:
        if data:
            self.ring.add(data)
            for viewer in self._viewers.values():
                viewer.wake()

    def _marked(self, mark: Mark) -> None:
        message: Object = {"type": "mark", "mark": mark.kind, "offset": self.ring.end}
        if mark.kind == "command":
            self.command = message["command"] = mark.text
            self._set_state("running")
        elif mark.kind == "finished":
            status = message["status"] = int(mark.text) if mark.text.isdigit() else 0
            self._finished(status)
        else:
            self._set_state("prompt")
        self._broadcast(message)

    def _finished(self, status: int) -> None:
        self.status = status
        if self.state == "running":
            self._happenings.finished(Command(self.name, self.command, status))

    def _set_state(self, state: State) -> None:
        changed, self.state = state != self.state, state
        if changed and state in ("prompt", "running", "ended"):
            event = {"type": "terminal", "terminal": self.name, "state": state}
            self._happenings.tell({**event, "command": self.command, "status": self.status})

    def _broadcast(self, message: Object) -> None:
        for viewer in self._viewers.values():
            viewer.tell(message, self.ring.end)

    def _write(self) -> None:
        if self._console < 0:
            return
        try:
            while self._typed:
                del self._typed[: os.write(self._console, self._typed)]
        except BlockingIOError:
            self._loop.add_writer(self._console, self._write)
            return
        except OSError:
            self._typed.clear()
        self._loop.remove_writer(self._console)

    def _regulate(self) -> None:
        """Read the pty unless its owner is too far behind: what runs in it is then held up by the kernel."""
        if self._console < 0:
            return
        behind = self.ring.end - self._owner.acknowledged if self._owner is not None else 0
        # A long paste may wait for its own echo to be read, and the acknowledgement of that stands behind the paste.
        if self._reading and behind >= HIGH and not self._refused:
            self._stop_reading()
        elif not self._reading and (behind <= LOW or self._refused):
            self._loop.add_reader(self._console, self._readable)
            self._reading = True

    def _stop_reading(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._console)
            self._reading = False

    def _own(self, viewer: Viewer) -> None:
        self._owner = viewer
        if viewer.size != self.size:
            self.size = viewer.size
            self._apply_size()
            message = {"type": "size", "columns": self.size.columns, "rows": self.size.rows}
            for other in self._viewers.values():
                if other is not viewer:
                    other.tell(message, self.ring.end)
        self._regulate()

    def _apply_size(self) -> None:
        self._set_window(self.size)

    def _set_window(self, size: Size) -> None:
        if self._console >= 0:
            packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._console, termios.TIOCSWINSZ, packed)

    def _repaint(self) -> None:
        """Have a full-screen program draw itself anew: it does when its window changes."""
        self._set_window(Size(self.size.columns, max(1, self.size.rows - 1)))
        self._loop.call_later(0.05, self._apply_size)
