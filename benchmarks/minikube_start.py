"""`minikube start` → node Ready, typed into a terminal: alone, and by a hundred learners, ten at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.figures import Figure, run
from benchmarks.learner import Learner, Terminal
from benchmarks.site import Site, running_site

CLASS = 100
AT_A_TIME = 10
READY = "kubectl get nodes --no-headers | grep -q ' Ready '"


async def measure(rounds: int) -> Sequence[Figure]:
    """One learner after the other, then the class."""
    with running_site() as site:
        alone = [await _alone(site) for _ in range(rounds)]
    with running_site() as site:
        class_ = await _class(site)
    return [
        Figure("`minikube start` → node Ready", alone, "s", "1 s", "a real Kubernetes: 4.9 s"),
        Figure(f"{CLASS} × `minikube start`, {AT_A_TIME} at a time: all Ready", [class_], "s", "60 s"),
    ]


async def _alone(site: Site) -> float:
    learner = Learner(site)
    await learner.open_page()
    terminal = await learner.start()
    taken = await _minikube_start(terminal)
    await terminal.socket.close()
    await learner.end()
    return taken


async def _minikube_start(terminal: Terminal) -> float:
    """Seconds from the Return key to the next prompt, at which kubectl must find the node Ready."""
    began = time.perf_counter()
    if await terminal.run("minikube start"):
        raise RuntimeError("minikube start failed")
    taken = time.perf_counter() - began
    if await terminal.run(READY):
        raise RuntimeError("the node is not Ready")
    return taken


async def _class(site: Site) -> float:
    learners = [Learner(site) for _ in range(CLASS)]
    for learner in learners:
        await learner.open_page()
        await (await learner.start()).socket.close()
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(learner: Learner) -> None:
        async with gate:
            terminal = await learner.terminal()
            await terminal.wait_for_prompt()
            await _minikube_start(terminal)
            await terminal.socket.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(learner) for learner in learners))
    return time.perf_counter() - began


if __name__ == "__main__":
    run(measure, rounds=10)
