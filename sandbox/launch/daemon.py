"""The launcher daemon: one thread, one loop; keeps the sandboxes it has forked and answers those who may ask."""

from __future__ import annotations

import logging
import os
import re
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from sandbox.backend import SandboxSpec
from sandbox.launch import birth
from sandbox.launch.addresses import Addresses
from sandbox.launch.client_link import ClientLink
from sandbox.launch.held import Held
from sandbox.launch.host import Host
from sandbox.launch.plan import BadSpec, Entry, Object, spec_from_wire
from sandbox.linux.idmap import MOST_RANGES

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9-]{1,40}")
_START_SECONDS = 30.0
_LEAST_FREE_MIB = 256
_PEER = struct.Struct("3i")


class Refused(Exception):
    """A request that cannot be carried out; `kind` names the exception of sandbox/backend.py that the caller raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Daemon:
    """Holds the sandboxes that were started by way of one socket; `run` is the directory it lies in."""

    def __init__(self, host: Host, *, run: Path, allowed: Collection[int], entry: Entry) -> None:
        self._host = host
        self._addresses = Addresses(run)
        self._allowed = {0, os.geteuid(), *allowed}  # root could become any of them
        self._owner = next(iter(allowed), os.geteuid())
        self._entry = entry
        self._selector = selectors.DefaultSelector()
        self._held: dict[str, Held] = {}
        self._ending = False

    def serve(self, listener: socket.socket) -> None:
        """Answer until SIGTERM or SIGINT, then end every sandbox."""
        self._clear_up_after_the_last_one()
        listener.settimeout(0)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))
        wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self._selector.register(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 64))
        while not self._ending:
            self._turn()
        for held in list(self._held.values()):
            held.kill()
        deadline = time.monotonic() + 10
        while any(held.running for held in self._held.values()) and time.monotonic() < deadline:
            self._turn()
        self._addresses.close()
        self._host.let_go()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _turn(self) -> None:
        for key, _ in self._selector.select(timeout=1.0):
            callback: Callable[[], object] = key.data
            try:
                callback()
            except Exception:  # nor must one sandbox's end
                log.exception("Something failed in a way that nobody foresaw.")
        for held in list(self._held.values()):
            if held.starting and time.monotonic() > held.start_deadline:
                held.fail("The sandbox did not stand in time.")

    def _clear_up_after_the_last_one(self) -> None:
        """A daemon that was killed took its sandboxes along; empty groups it leaves behind."""
        for path in set(self._host.cgroups.directories.values()):
            for name in [entry.name for entry in path.iterdir() if entry.is_dir()]:
                self._host.cgroups.below(name).remove()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = listener.accept()
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
            _, uid, _ = _PEER.unpack(peer)
            if uid not in self._allowed:
                log.warning("Refused user %d.", uid)
                connection.close()
                return
            ClientLink(connection, self._selector, self._answer)

    def _answer(self, link: ClientLink, request: Object) -> None:
        """Carry out one request; `link` gets the answer now or when it is known."""
        number = request.get("id")

        def reply(answer: Object) -> None:
            link.send({"id": number, **answer})

        try:
            match request.get("verb"):
                case "start":
                    self._start(self._name_in(request), _spec_in(request), reply)
                case "stop":
                    self._stop(self._name_in(request), reply)
                case "list":
                    reply({"sandboxes": [held.state() for held in self._held.values()]})
                case "about":
                    reply(self._about())
                case _:
                    raise Refused("SandboxError", "There is no such verb.")
        except Refused as error:
            reply({"error": error.kind, "message": str(error)})
        except Exception:  # one request must never end everybody's sandboxes
            log.exception("A request failed in a way that nobody foresaw.")
            reply({"error": "SandboxError", "message": "The program that starts sandboxes met an unforeseen error."})

    def _about(self) -> Object:
        return {
            "pid": os.getpid(),
            "directory": str(self._addresses.path),
            "ids": self._host.mapping.mode,
            "not_enforced": self._host.not_enforced(),
        }

    def _name_in(self, request: Object) -> str:
        name = request.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused("SandboxError", "A sandbox's name is 1 to 40 lower-case letters, digits and hyphens.")
        return name

    def _start(self, name: str, spec: SandboxSpec, reply: Callable[[Object], None]) -> None:
        held = self._held.get(name)
        if held is None or not held.running:
            held = self._held[name] = self._bear(name, spec)
        held.when_standing(reply)

    def _bear(self, name: str, spec: SandboxSpec) -> Held:
        slot = self._free_slot()
        self._check_memory()
        try:
            listener = self._addresses.listen(name, owner=self._owner)
            try:
                newborn = birth.bear(self._host, name, spec, slot=slot, listener=listener, entry=self._entry)
            finally:
                listener.close()
        except OSError as error:
            self._addresses.remove(name)
            log.error("Cannot start %s: %s", name, error)
            raise Refused("StartFailed", f"The sandbox could not be started: {error.strerror or error}") from error
        return Held(
            name,
            newborn,
            self._selector,
            slot=slot,
            forget=lambda: self._addresses.remove(name),
            deadline=time.monotonic() + _START_SECONDS,
        )

    def _stop(self, name: str, reply: Callable[[Object], None]) -> None:
        held = self._held.get(name)
        if held is None:
            reply({"stopped": True})
            return

        def gone(_: Object) -> None:
            if self._held.get(name) is held:
                del self._held[name]
            reply({"stopped": True})

        held.when_ended(gone)
        held.kill()

    def _free_slot(self) -> int:
        taken = {held.slot for held in self._held.values() if held.running}
        for slot in range(MOST_RANGES):
            if slot not in taken:
                return slot
        raise Refused("HostFull", "This host runs as many sandboxes as it can.")

    def _check_memory(self) -> None:
        with Path("/proc/meminfo").open() as lines:
            for line in lines:
                if line.startswith("MemAvailable:") and int(line.split()[1]) < _LEAST_FREE_MIB * 1024:
                    raise Refused("HostFull", "This host's memory is full.")


def _spec_in(request: Object) -> SandboxSpec:
    given = request.get("spec", {})
    if not isinstance(given, dict):
        raise Refused("SandboxError", "The spec is not an object.")
    try:
        return spec_from_wire(given)
    except BadSpec as error:
        raise Refused("SandboxError", f"The spec is not right: {error}.") from error


def listen(path: Path, *, owner: int) -> socket.socket:
    """The daemon's own socket, replacing a dead one. Raises AlreadyRunning when another daemon answers there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    short = Path(f"/proc/self/fd/{handle}") / path.name
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(short))
            raise AlreadyRunning(str(path))
        with suppress(FileNotFoundError):
            short.unlink()
        listener.bind(str(short))
        if os.geteuid() == 0:
            os.chown(path.name, owner, -1, dir_fd=handle, follow_symlinks=False)
        listener.listen(256)
    finally:
        os.umask(mask)
        os.close(handle)
    return listener


class AlreadyRunning(Exception):
    """Another daemon serves this socket."""
