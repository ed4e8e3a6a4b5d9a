"""One container as the starter keeps it: its process, its output, its console and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
import time
from pathlib import Path
from typing import Any

from sandbox.linux import processes
from sandbox.linux.cgroup import Group
from sandbox.linux.children import Children
from sandbox.linux.container_log import ContainerLog, Stream
from sandbox.linux.outlet import Outlet

Object = dict[str, Any]


class Refused(Exception):
    """The container cannot be started; the message says why."""


class Gone(Exception):
    """There is no such container, or it has ended."""


class Contained:
    """One container, from its creation until it is removed."""

    def __init__(self, request: Object, children: Children, group: Group) -> None:
        self.id: str = request["id"]
        self.tty: bool = request["tty"]
        self.group = group
        self.pid = 0
        self._children = children
        self._labels: Object = request["labels"]
        self._log_path: str | None = request["log"]
        self._stdin_once: bool = request["stdin_once"]
        self._memory_limit: int | None = request["resources"]["memory"]
        self._started_at = 0.0
        self._exit: Object | None = None
        self._ended = asyncio.Event()
        self._oom = False
        self._stdin = -1
        self._console = -1
        self._log = ContainerLog(Path(self._log_path), limit=int(request["log_limit"])) if self._log_path else None
        self._outlets: dict[str, Outlet] = {}
        self._open_outlets = 0

    def opened(self, *, stdin: int, console: int, stdout: int, stderr: int) -> None:
        """Take our ends of its streams (-1: not there) and begin to copy its output."""
        self._stdin, self._console = stdin, console
        streams: tuple[tuple[Stream, int], ...] = (("stdout", console if self.tty else stdout), ("stderr", stderr))
        for stream, fd in streams:
            if fd >= 0:
                self._open_outlets += 1
                self._outlets[stream] = Outlet(fd, stream, self._log, on_end=self._outlet_ended)

    def running(self, pid: int) -> None:
        """Note that it runs and follow its process to its end."""
        self.pid = pid
        self._started_at = time.time()
        self._children.watch(pid).add_done_callback(self._process_ended)

    @property
    def ready(self) -> bool:
        """Whether it has been started (it may have ended since)."""
        return self._started_at > 0

    @property
    def exited(self) -> bool:
        """Whether it has ended."""
        return self._exit is not None

    def known(self) -> Object:
        """What `list` tells about it."""
        return {
            "id": self.id,
            "pid": self.pid,
            "started_at": self._started_at,
            "labels": self._labels,
            "log": self._log_path,
            "memory_limit": self._memory_limit,
            "exit": self._exit,
        }

    async def wait(self) -> Object:
        """How it ended."""
        await self._ended.wait()
        assert self._exit is not None
        return self._exit

    def mark_oom(self) -> None:
        """Have its end count as OOMKilled, if it does end with an error."""
        self._oom = True

    def kill(self, number: int) -> None:
        """Signal its first process; nothing when it has ended."""
        if self.pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def attach(self, *, stdin: bool) -> dict[str, int]:
        """New descriptors for its streams, which are the caller's."""
        if self._exit is not None:
            raise Gone(f"container {self.id} has ended")
        given: dict[str, int] = {}
        if stdin and self.tty:
            given["stdin"] = os.dup(self._console)
        elif stdin and self._stdin >= 0:
            given["stdin"] = os.dup(self._stdin)
            if self._stdin_once:
                self._close_stdin()
        for name, outlet in self._outlets.items():
            read, write = os.pipe2(os.O_CLOEXEC)
            outlet.attach(write)
            given[name] = read
        return given

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of its console, if it has one."""
        if self._console >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def usage(self) -> Object | None:
        """What it uses now, or None when it has ended."""
        if self.pid <= 0:
            return None
        memory, cpu = self.group.memory(), self.group.cpu_nanoseconds()
        counted = processes.usage_of_pid_namespace(self.pid)
        return {
            "cpu_nanoseconds": counted.cpu_nanoseconds if cpu is None else cpu,
            "memory_bytes": counted.memory_bytes if memory is None else memory,
            "processes": counted.processes,
        }

    def abandon(self) -> None:
        """Close everything of a container that could not be started."""
        self._close_stdin()
        for outlet in list(self._outlets.values()):
            outlet.close()
        if self._log is not None:
            self._log.close()

    def _process_ended(self, future: asyncio.Future[int]) -> None:
        code = future.result()
        self.pid = 0
        for outlet in list(self._outlets.values()):
            outlet.close()
        self._close_stdin()
        killed = code != 0 and (self._oom or self.group.oom_kills() > 0)
        self._exit = {"code": shell_code(code), "oom": killed, "at": time.time()}
        self._ended.set()

    def _outlet_ended(self) -> None:
        self._open_outlets -= 1
        if self._open_outlets == 0 and self._log is not None:
            self._log.close()
        if self.tty:
            self._console = -1

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1


def shell_code(code: int) -> int:
    """Python's exit code as a shell shows it."""
    return code if code >= 0 else 128 - code
