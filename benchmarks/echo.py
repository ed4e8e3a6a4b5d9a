"""Keystroke echo through the whole path (WebSocket → site → agent → pty → shell and back), and what a key costs.

Everybody types five keys a second at a shell's prompt, out of step with each other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks import processes
from benchmarks.figures import Figure, run
from benchmarks.learner import Learner, Terminal
from benchmarks.site import running_site, settle

SESSIONS = (1, 20, 100)
KEYS_A_SECOND = 5
KEYS = 2000
"""For all sessions together."""
LINE = 60
"""After so many keys a line is cleared."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CLEAR = "\x15"


async def measure(rounds: int) -> Sequence[Figure]:
    """For each number of sessions a site of its own."""
    return [figure for sessions in SESSIONS for figure in await _with(sessions, rounds)]


async def _with(sessions: int, rounds: int) -> Sequence[Figure]:
    with running_site() as site:
        terminals = []
        for _ in range(sessions):
            learner = Learner(site)
            await learner.open_page()
            terminals.append(await learner.start())
        await settle(2)
        echoes: list[float] = []
        each: list[float] = []
        for _ in range(rounds):
            before = processes.cpu_seconds([site.web])
            keys = min(KEYS // sessions, 300)
            taken = await asyncio.gather(
                *(_typist(terminal, keys, number / sessions) for number, terminal in enumerate(terminals))
            )
            each.append((processes.cpu_seconds([site.web]) - before) / (keys * sessions) * 1000)
            echoes += [one for some in taken for one in some]
    goal, cost = ("1.5 ms", "1 ms") if sessions == max(SESSIONS) else ("", "")
    of = f"{sessions} sessions" if sessions > 1 else "1 session"
    peers = {1: "ttyd 0.6, terminado 1.7", 20: "ttyd 0.5, terminado 1.5", 100: "ttyd (C) 0.4, terminado 1.6"}
    return [
        Figure(f"keystroke echo, {of}", echoes, "ms", goal, f"{peers[sessions]} ms", tail=True),
        Figure(f"processor time of the site for a key, {of}", each, "ms", cost),
    ]


async def _typist(terminal: Terminal, keys: int, phase: float) -> list[float]:
    """Milliseconds of each echo."""
    pause = 1 / KEYS_A_SECOND
    loop = asyncio.get_running_loop()
    due = loop.time() + phase * pause
    found = []
    for number in range(keys):
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += pause
        letter = LETTERS[number % len(LETTERS)]
        began = time.perf_counter()
        await terminal.type(letter)
        ended = await terminal.read_until(lambda seen, letter=letter: letter.encode() in seen)  # type: ignore[misc]
        found.append((ended - began) * 1000)
        if number % LINE == LINE - 1:
            await terminal.type(CLEAR)
            await asyncio.sleep(pause / 4)
            await terminal.read_until(bool)
    await terminal.type(CLEAR)
    await terminal.read_until(bool)
    return found


if __name__ == "__main__":
    run(measure, rounds=2)
