"""A sandbox that the daemon holds: from its fork to the freeing of all it had."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from sandbox.launch.birth import Newborn
from sandbox.launch.plan import Object

log = logging.getLogger(__name__)

_MOST_LOGGED = 256 * 1024
"""Bytes of a sandbox's own output that reach our log: what runs there may have been taken over."""


class Held:
    """Watches one sandbox's process, its word that it stands, and what it prints."""

    def __init__(
        self,
        name: str,
        newborn: Newborn,
        selector: selectors.BaseSelector,
        *,
        slot: int,
        forget: Callable[[], None],
        deadline: float,
    ) -> None:
        self.name = name
        self.slot = slot
        self.starting = True
        self.running = True
        self.start_deadline = deadline
        self._newborn = newborn
        self._selector = selector
        self._forget = forget
        self._started_at = time.time()
        self._detail = ""
        self._logged = 0
        self._standing: list[Callable[[Object], None]] = []
        self._ended: list[Callable[[Object], None]] = []
        selector.register(newborn.channel, selectors.EVENT_READ, self._hear)
        selector.register(newborn.process, selectors.EVENT_READ, self._bury)
        selector.register(newborn.log, selectors.EVENT_READ, self._copy_log)

    def state(self) -> Object:
        """What `list` says about it."""
        return {
            "name": self.name,
            "running": self.running and not self.starting,
            "started_at": self._started_at,
            "detail": self._detail or ("It is being started." if self.starting else ""),
            "pid": self._newborn.pid,
        }

    def when_standing(self, reply: Callable[[Object], None]) -> None:
        """Call back with {"started": true} or an error, once it is known."""
        if self.starting:
            self._standing.append(reply)
        else:
            reply({"started": True})

    def when_ended(self, reply: Callable[[Object], None]) -> None:
        """Call back once everything of it is gone."""
        if self.running:
            self._ended.append(reply)
        else:
            reply({})

    def kill(self) -> None:
        """End its first process, and with it by the kernel all others; nothing when it has ended."""
        if self.running:
            self._detail = self._detail or "It was stopped."
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._newborn.process, signal.SIGKILL)

    def fail(self, why: str) -> None:
        """Give it up while it is still being started."""
        self._detail = why
        self.kill()

    def _hear(self) -> None:
        """The child's one message: it stands, or which stage failed; nothing at all when it was killed."""
        try:
            payload = self._newborn.channel.recv(4096)
        except OSError:
            payload = b""
        self._selector.unregister(self._newborn.channel)
        self._newborn.channel.close()
        try:
            message = json.loads(payload) if payload else {}
        except ValueError:
            message = {}
        if message.get("ready") is True:
            self.starting = False
            self._call_back(self._standing, {"started": True})
            return
        if message:
            self._detail = str(message.get("error", ""))[:500]
        self.kill()

    def _bury(self) -> None:
        """Its first process has ended, so has every other: free the rest."""
        ended = os.waitid(os.P_PIDFD, self._newborn.process, os.WEXITED)
        self._copy_log()
        self.running = False
        self.starting = False
        for descriptor in (self._newborn.process, self._newborn.log):
            with suppress(KeyError):
                self._selector.unregister(descriptor)
            os.close(descriptor)
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._newborn.channel)
        self._newborn.channel.close()
        self._newborn.group.remove()
        self._forget()
        self._detail = self._detail or f"Its first process ended with status {ended.si_status if ended else '?'}."
        log.info("Sandbox %s ended: %s", self.name, self._detail)
        failure = {"error": "StartFailed", "message": f"The sandbox could not be started: {self._detail}"}
        self._call_back(self._standing, failure)
        self._call_back(self._ended, {})

    def _copy_log(self) -> None:
        try:
            data = os.read(self._newborn.log, 65536)
        except BlockingIOError:
            return
        if not data:
            with suppress(KeyError):
                self._selector.unregister(self._newborn.log)
            return
        room = _MOST_LOGGED - self._logged
        self._logged += len(data)
        for line in data[:room].decode(errors="replace").splitlines() if room > 0 else []:
            log.info("%s: %s", self.name, "".join(sign if sign.isprintable() else "?" for sign in line))

    @staticmethod
    def _call_back(callbacks: list[Callable[[Object], None]], answer: Object) -> None:
        while callbacks:
            callbacks.pop(0)(answer)
