"""A program that prints without end: how much gets through, how soon Ctrl-C works, and what a stopped reader costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks import processes
from benchmarks.figures import Figure, run
from benchmarks.learner import Learner, Terminal
from benchmarks.site import Site, running_site, settle

WHOLE = 50_000_000
BROWSER = 10_000_000
"""Bytes a second that a browser draws."""
STOPPED = 6.0
FLOOD = "yes 'all work and no play makes a dull learner'"
_STEP = 32 * 1024
_MB = 1e6


async def measure(rounds: int) -> Sequence[Figure]:
    """One learner on a quiet site."""
    with running_site() as site:
        learner = Learner(site)
        await learner.open_page()
        terminal = await learner.start()
        through = [await _throughput(terminal) for _ in range(rounds)]
        slow = [await _interrupt(terminal) for _ in range(rounds)]
        grown, after = [], []
        for _ in range(rounds):
            more, soon = await _stopped_reader(site, terminal)
            grown.append(more)
            after.append(soon)
    return [
        Figure("a flood of 50 MB, as the page receives it", through, "MB/s", "", "ttyd 45, terminado 21 MB/s"),
        Figure("Ctrl-C in a flood → its end on the page, which draws 10 MB/s", slow, "ms", "100 ms", "terminado 46 ms"),
        Figure("the site's memory, reader stopped for 6 s", grown, "MB more", "flat", "terminado +164 MB"),
        Figure("Ctrl-C → its end after that stop", after, "ms", "", "terminado 920 ms"),
    ]


async def _throughput(terminal: Terminal) -> float:
    """Megabytes a second, every byte counted."""
    before = terminal.received
    began = time.perf_counter()
    await terminal.run(f"{FLOOD} | head -c {WHOLE}")
    taken = time.perf_counter() - began
    if terminal.received - before < WHOLE:
        raise RuntimeError("bytes are missing")
    return WHOLE / _MB / taken


class SlowReader:
    """Draws so many bytes a second and acknowledges what is drawn, as a page does; receives whatever comes."""

    def __init__(self, terminal: Terminal, speed: float) -> None:
        self._terminal = terminal
        self._speed = speed
        self._drawn = self._told = float(terminal.received)
        self._at = time.perf_counter()

    async def read_for(self, seconds: float) -> None:
        """Read a flood for so long."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            await self._take(await self._terminal.next(acknowledge=False))

    async def read_to_its_end(self) -> None:
        """Read until the flood has ended and all of it has been drawn."""
        while True:
            frame = await self._terminal.next(acknowledge=False)
            if isinstance(frame, dict) and frame.get("mark") == "finished":
                break
            await self._take(frame)
        await self._draw()

    async def _take(self, frame: object) -> None:
        if isinstance(frame, bytes):
            await self._draw()

    async def _draw(self) -> None:
        """Be as late as drawing all that was received takes."""
        while self._drawn < self._terminal.received:
            piece = min(_STEP, self._terminal.received - self._drawn)
            self._at = max(self._at, time.perf_counter() - 0.02) + piece / self._speed
            await asyncio.sleep(self._at - time.perf_counter())
            self._drawn += piece
            if self._drawn - self._told >= _STEP:
                self._told = self._drawn
                await self._terminal.acknowledge(int(self._drawn))


async def _interrupt(terminal: Terminal) -> float:
    """Milliseconds from Ctrl-C until the flood has ended on the page."""
    await terminal.type(f"{FLOOD}\r")
    reader = SlowReader(terminal, BROWSER)
    await reader.read_for(2.0)
    began = time.perf_counter()
    await terminal.type("\x03")
    await reader.read_to_its_end()
    taken = (time.perf_counter() - began) * 1000
    await terminal.acknowledge(terminal.received)
    await settle(0.2)
    return taken


async def _stopped_reader(site: Site, terminal: Terminal) -> tuple[float, float]:
    """Megabytes that the site has grown by when nothing was acknowledged for a while; how soon Ctrl-C works then."""
    before = processes.pss([site.web])
    await terminal.type(f"{FLOOD}\r")
    await SlowReader(terminal, BROWSER).read_for(0.5)
    await settle(STOPPED)
    grown = (processes.pss([site.web]) - before) / _MB
    began = time.perf_counter()
    await terminal.type("\x03")
    while True:
        frame = await terminal.next()
        if isinstance(frame, dict) and frame.get("mark") == "finished":
            break
    taken = (time.perf_counter() - began) * 1000
    await terminal.acknowledge(terminal.received)
    await settle(0.2)
    return grown, taken


if __name__ == "__main__":
    run(measure, rounds=5)
