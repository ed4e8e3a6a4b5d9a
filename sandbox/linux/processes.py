"""What processes use, read from /proc, where no control group counts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_NANOSECONDS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Counted:
    """The sum over some processes."""

    cpu_nanoseconds: int = 0
    memory_bytes: int = 0
    processes: int = 0


def all_pids() -> Iterator[int]:
    """Every process that this pid namespace shows."""
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def pid_namespace(pid: int) -> str:
    """An identity of that process' pid namespace; empty when it is gone or may not be looked at."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def usage_of_pid_namespace(pid: int) -> Counted:
    """What all processes use that share `pid`'s pid namespace: a container's, when `pid` is its first process."""
    namespace = pid_namespace(pid)
    return _sum(member for member in all_pids() if namespace and pid_namespace(member) == namespace)


def usage_of_everything() -> Counted:
    """What all processes use that this pid namespace shows."""
    return _sum(all_pids())


def _sum(pids: Iterable[int]) -> Counted:
    cpu = memory = count = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            cpu += _cpu_nanoseconds(pid)
            memory += private_bytes(pid)
            count += 1
    return Counted(cpu, memory, count)


def private_bytes(pid: int) -> int:
    """Resident memory that the process shares with no file. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES


def _cpu_nanoseconds(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * _TICK_NANOSECONDS
