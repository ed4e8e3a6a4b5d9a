"""What processes use, read from /proc: proportional memory, tmpfs and processor time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def command_line(pid: int) -> str:
    """The words of its command, with spaces between; empty when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def children(pid: int) -> list[int]:
    """Its direct children."""
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def tree(pid: int) -> list[int]:
    """It and all that descend from it: the whole of a sandbox, for its first process adopts every orphan."""
    found = [pid]
    for member in found:  # grows while it is walked
        for task in _tasks(member):
            with suppress(OSError):
                found += map(int, Path(f"/proc/{member}/task/{task}/children").read_text().split())
    return found


def pss(pids: Iterable[int]) -> int:
    """Bytes of memory, each page divided among all the processes that share it."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def tmpfs(pids: Iterable[int]) -> int:
    """Bytes in the memory file systems that these processes see and this one does not."""
    seen = set(_memory_mounts("self"))
    total = 0
    for pid in pids:
        for device, place in _memory_mounts(str(pid)).items():
            if device not in seen:
                with suppress(OSError):
                    found = os.statvfs(f"/proc/{pid}/root{place}")
                    if Path(f"/proc/{pid}/root{place}").stat().st_dev == _number(device):
                        seen.add(device)
                        total += (found.f_blocks - found.f_bfree) * found.f_frsize
    return total


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of those that live, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with suppress(OSError):
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def ended_seconds(pids: Iterable[int]) -> float:
    """Processor time of the children of these that have ended, rounded down to ticks for each of them."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[13]) + int(fields[14])
    return total / os.sysconf("SC_CLK_TCK")


def _tasks(pid: int) -> list[str]:
    with suppress(OSError):
        return [entry.name for entry in Path(f"/proc/{pid}/task").iterdir()]
    return []


def _memory_mounts(pid: str) -> dict[str, str]:
    """Device → where it is mounted, of every tmpfs."""
    found = {}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[fields.index("-") + 1] == "tmpfs" and fields[3] == "/":
                found[fields[2]] = fields[4]
    return found


def _number(device: str) -> int:
    major, minor = device.split(":")
    return os.makedev(int(major), int(minor))
