"""Start → prompt: from the POST of *Start* to the prompt's bytes on the terminal's WebSocket, alone and in a class."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks import processes
from benchmarks.figures import Figure, run
from benchmarks.learner import Learner
from benchmarks.site import Site, running_site, settle

CROWD = 100
COLD_ROUNDS = 5
CROWD_ROUNDS = 3


async def measure(rounds: int) -> Sequence[Figure]:
    """Cold, warm, and twenty and a hundred at once."""
    cold = []
    for _ in range(min(rounds, COLD_ROUNDS)):
        with running_site() as site:
            cold.append(await _one(Learner(site)))
    with running_site() as site:
        await _one(Learner(site))
        warm = [await _one(Learner(site)) for _ in range(rounds)]
    twenty = [await _at_once(20) for _ in range(CROWD_ROUNDS)]
    crowd = [await _at_once(CROWD) for _ in range(CROWD_ROUNDS)]
    return [
        Figure("*Start* → prompt, the first after `up`", cold, "ms", "100 ms", "JupyterHub: 5,200 ms"),
        Figure("*Start* → prompt, later ones", warm, "ms", "100 ms", "JupyterHub: 5,200 ms"),
        Figure("20 learners start at the same second: the last one's prompt", [last for last, _ in twenty], "ms"),
        Figure(
            f"{CROWD} learners start at the same second: the last one's prompt",
            [last for last, _ in crowd],
            "ms",
            "3,000 ms, no error",
            "JupyterHub: 429 beyond 64–100",
        ),
        Figure("processor time of one such start, site and sandbox", [each for _, each in crowd], "ms"),
    ]


async def _one(learner: Learner) -> float:
    """Milliseconds from *Start* to the prompt; the sandbox is ended again."""
    await learner.open_page()
    taken = await _start(learner)
    await learner.end()
    await settle(0.3)
    return taken


async def _start(learner: Learner) -> float:
    began = time.perf_counter()
    terminal = await learner.start()
    taken = (time.perf_counter() - began) * 1000
    await terminal.socket.close()
    return taken


async def _at_once(count: int) -> tuple[float, float]:
    """Milliseconds until the last of `count` has a prompt, and of the processor for each; an error ends it all."""
    with running_site() as site:
        await _one(Learner(site))
        learners = [Learner(site) for _ in range(count)]
        for learner in learners:
            await learner.open_page()
        before = _processor_time(site)
        last = max(await asyncio.gather(*(_start(learner) for learner in learners)))
        return last, (_processor_time(site) - before) / count * 1000


def _processor_time(site: Site) -> float:
    """Seconds of the site and of all that runs in its sandboxes."""
    inside = [pid for sandbox in site.sandboxes for pid in processes.tree(sandbox)]
    return processes.cpu_seconds([site.web, site.launcher, *inside]) + processes.ended_seconds(inside)


if __name__ == "__main__":
    run(measure, rounds=20)
