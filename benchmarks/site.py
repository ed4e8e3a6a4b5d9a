"""The site as a host starts it, on a free port and with a data folder that keeps only its images between runs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes
from sandbox.image.set_up import set_up

CHECKOUT = Path(__file__).resolve().parent.parent
DATA = CHECKOUT / "var" / "benchmarks"
_SECONDS = 60.0


@dataclass(frozen=True)
class Site:
    """A running `up`."""

    port: int
    up: int
    """Its process."""

    @property
    def origin(self) -> str:
        """What a browser says where its page comes from."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def launcher(self) -> int:
        """The process that all sandboxes are children of."""
        return self._child("sandbox.launch")

    @property
    def web(self) -> int:
        """The process that serves pages and sockets."""
        return self._child("manage.py")

    @property
    def sandboxes(self) -> list[int]:
        """The first process of each sandbox."""
        return processes.children(self.launcher)

    def _child(self, word: str) -> int:
        return next(pid for pid in processes.children(self.up) if word in processes.command_line(pid))


@contextmanager
def running_site() -> Iterator[Site]:
    """Start the site on an empty database; it ends with the block."""
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # two at once would spoil each other's figures, and their database
        yield from _running_site()


def _running_site() -> Iterator[Site]:
    if not set_up(DATA, lambda _: None):
        raise RuntimeError("images or tools are missing: see ./quayside doctor")
    for file in DATA.glob("quayside.sqlite3*"):
        file.unlink()
    port = _free_port()
    command = [sys.executable, "-m", "tutorials.hosting.up", "--port", str(port), "--data", str(DATA)]
    with (DATA / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # else the site would outlive us
    try:
        _wait_until_it_serves(port, process)
        yield Site(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


async def settle(seconds: float) -> None:
    """Let pass what beginning things set off, so that what follows is idleness."""
    await asyncio.sleep(seconds)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_serves(port: int, process: subprocess.Popen[bytes]) -> None:
    """The socket is there long before somebody answers: ask for a whole response."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the site ended at once: see {DATA / 'up.log'}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            if b" 200 " in connection.recv(64):
                return
        os.sched_yield()
        time.sleep(0.05)
    raise TimeoutError("the site does not answer")
