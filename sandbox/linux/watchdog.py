"""Keeps a sandbox's memory in bounds where the host gives no memory cgroup: kills the largest process above it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_RELAXED, _ALERT = 0.1, 0.02
_ALERT_ABOVE = 0.6
_LAST_BREATH = 1.0
"""Seconds that a killed process may take to give its memory back before another one is chosen."""


@dataclass(frozen=True)
class Process:
    """One process as the watchdog sees it."""

    pid: int
    parent: int
    own_bytes: int
    """Resident pages that it shares with no file: what ends when it does. Files in memory are bounded by their size."""


@dataclass(frozen=True)
class Budget:
    """What the processes below one first process may use together (a container's memory limit)."""

    root: int
    limit: int


def scan(spared: Collection[int] = (), *, proc: Path = Path("/proc")) -> Mapping[int, Process]:
    """Every process of this pid namespace but those spared; about 0.3 ms for twenty."""
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) in spared:
            continue
        with suppress(OSError, ValueError, IndexError):
            resident, shared = (entry / "statm").read_bytes().split()[1:3]
            parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
            found[int(entry.name)] = Process(int(entry.name), parent, (int(resident) - int(shared)) * _PAGE)
    return found


def choose_victim(processes: Mapping[int, Process], limit: int, budgets: Collection[Budget] = ()) -> int | None:
    """The largest process of a budget that is passed, or of all when the whole is; None when all is well."""
    for budget in budgets:
        inside = [process for process in processes.values() if _is_below(process, budget.root, processes)]
        if inside and sum(process.own_bytes for process in inside) > budget.limit:
            return max(inside, key=lambda process: process.own_bytes).pid
    if processes and sum(process.own_bytes for process in processes.values()) > limit:
        return max(processes.values(), key=lambda process: process.own_bytes).pid
    return None


def _is_below(process: Process, root: int, processes: Mapping[int, Process]) -> bool:
    seen: Process | None = process
    for _ in range(len(processes)):
        if seen is None:
            return False
        if seen.pid == root:
            return True
        seen = processes.get(seen.parent)
    return False


async def watch(
    limit: int,
    *,
    spared: Callable[[], Collection[int]],
    budgets: Callable[[], Collection[Budget]] = tuple,
    on_kill: Callable[[int], None],
) -> None:
    """Watch for ever. `spared` are our own processes; `on_kill` hears of a victim just before it dies."""
    while True:
        processes = scan(spared())
        victim = choose_victim(processes, limit, budgets())
        if victim is not None:
            on_kill(victim)
            await _kill(victim)
            continue
        used = sum(process.own_bytes for process in processes.values())
        await asyncio.sleep(_ALERT if used > limit * _ALERT_ABOVE else _RELAXED)


async def _kill(pid: int) -> None:
    """Kill and wait until the memory is back: who looks again too early kills a second one for nothing."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    gone = asyncio.Event()
    try:
        asyncio.get_running_loop().add_reader(process, gone.set)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(gone.wait(), _LAST_BREATH)
    finally:
        asyncio.get_running_loop().remove_reader(process)
        os.close(process)
