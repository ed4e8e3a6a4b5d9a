"""Control groups, v1, v2 or a mix of both: the daemon delegates a part to each sandbox, the sandbox divides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.linux.layout import Controller


@dataclass(frozen=True)
class Group:
    """One control group: a directory a controller (with v2 the same one). Without any, every method does nothing."""

    directories: Mapping[Controller, Path]
    version: int

    def child(
        self, name: str, *, memory: int | None = None, cpus: float | None = None, processes: int | None = None
    ) -> Group:
        """Make a group inside this one, with limits of its own; making it twice only sets the limits again."""
        raise NotImplementedError

    def enter(self, pid: int = 0) -> None:
        """Move a process in; 0 is the caller, which needs no right over anybody else (do it between fork and exec)."""
        raise NotImplementedError

    def oom_kills(self) -> int:
        """How many processes the kernel has killed in it for want of memory."""
        raise NotImplementedError

    def memory(self) -> int | None:
        """Bytes in use, or None when nobody counts."""
        raise NotImplementedError

    def cpu_nanoseconds(self) -> int | None:
        """Processor time used so far, or None when nobody counts."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove it and all inside; groups that still hold processes are left. Removing twice is no error."""
        raise NotImplementedError
