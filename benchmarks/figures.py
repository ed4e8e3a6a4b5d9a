"""What a benchmark finds, and how it is shown: medians and their goals side by side, with the machine they hold for."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    values: Sequence[float]
    """One for each time that it was measured."""
    unit: str
    goal: str = ""
    peer: str = ""
    tail: bool = False
    """Whether the 99th percentile is shown beside the median."""

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        shown = f"{_number(statistics.median(self.values))} {self.unit}"
        if self.tail:
            shown += f" (p99 {_number(percentile(self.values, 0.99))})"
        return f"| {self.what} | {shown} | {len(self.values)} | {self.goal} | {self.peer} |"


Measure = Callable[[int], Awaitable[Sequence[Figure]]]
"""Takes every figure of a kind, in so many rounds."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Sequence[Figure]) -> str:
    """All of them as one Markdown table."""
    head = ["| what | median | measured | goal | elsewhere |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(figure.row() for figure in figures)])


def machine() -> str:
    """What the figures hold for, and how busy it is now: others' work is in every figure."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; load average {load}"
    )


def run(measure: Measure, *, rounds: int) -> None:
    """The command line of one benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often to measure (default {rounds})")
    given = parser.parse_args()
    print(machine())
    figures = asyncio.run(_measured(measure, given.rounds))
    print(table(figures))
    print(machine())


async def _measured(measure: Measure, rounds: int) -> Sequence[Figure]:
    return await measure(rounds)


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
