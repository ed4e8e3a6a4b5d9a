"""Memory without control groups: the right process dies, once."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from sandbox.linux import watchdog
from sandbox.linux.watchdog import Budget, Process, choose_victim

MIB = 1 << 20


def processes(*rows: tuple[int, int, int]) -> dict[int, Process]:
    return {pid: Process(pid, parent, mib * MIB) for pid, parent, mib in rows}


def test_below_the_limit_nobody_dies() -> None:
    assert choose_victim(processes((2, 1, 50), (3, 1, 49)), 100 * MIB) is None
    assert choose_victim({}, 0) is None


def test_above_it_the_largest_dies() -> None:
    assert choose_victim(processes((2, 1, 50), (3, 1, 60), (4, 1, 1)), 100 * MIB) == 3


def test_a_budget_that_is_passed_costs_a_process_of_its_own() -> None:
    found = processes((2, 1, 500), (10, 1, 1), (11, 10, 30), (12, 11, 40))
    assert choose_victim(found, 1000 * MIB, [Budget(10, 64 * MIB)]) == 12
    assert choose_victim(found, 1000 * MIB, [Budget(10, 99 * MIB)]) is None
    assert choose_victim(found, 1000 * MIB, [Budget(77, 1)]) is None


def test_a_circle_of_parents_is_no_endless_loop() -> None:
    found = processes((2, 3, 10), (3, 2, 10))
    assert choose_victim(found, 1000 * MIB, [Budget(9, 1)]) is None


def test_names_of_processes_may_hold_anything(tmp_path: Path) -> None:
    entry = tmp_path / "42"
    entry.mkdir()
    (entry / "statm").write_text("100 50 10 1 0 20 0\n")
    (entry / "stat").write_text("42 (a) R 1 b) S 7 42 42 0\n")
    (tmp_path / "43").mkdir()
    found = watchdog.scan(proc=tmp_path)
    assert found == {42: Process(42, 7, 40 * os.sysconf("SC_PAGE_SIZE"))}
    assert watchdog.scan({42}, proc=tmp_path) == {}


@pytest.mark.sandbox
async def test_a_real_hog_is_killed_and_nobody_else() -> None:
    """Everything but our two children is spared."""
    python = asyncio.create_subprocess_exec
    hog = await python(sys.executable, "-c", "x = bytearray(300 << 20); import time; time.sleep(60)")
    small = await python(sys.executable, "-c", "import time; time.sleep(60)")
    killed: list[int] = []

    def spared() -> set[int]:
        return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()} - {hog.pid, small.pid}

    watching = asyncio.create_task(watchdog.watch(200 * MIB, spared=spared, on_kill=killed.append))
    try:
        async with asyncio.timeout(20):
            assert await hog.wait() == -9
        assert small.returncode is None
        assert killed == [hog.pid]
    finally:
        watching.cancel()
        small.kill()
        await small.wait()
