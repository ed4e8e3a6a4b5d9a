"""How soon a step ticks: from when its state is reached to the verdict on the page's events socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from benchmarks.figures import Figure, run
from benchmarks.learner import READY_MADE, Learner, Terminal
from benchmarks.site import Site, running_site

Object = dict[str, Any]

COMMAND_STEP, DEPLOY_STEP = "kubectl-basics", "deploy"
CREATE = "kubectl create deployment kubernetes-bootcamp --image=gcr.io/google-samples/kubernetes-bootcamp:v1"
WATCH = "kubectl get deployments --watch -o jsonpath='{.status.availableReplicas}{\"\\n\"}'"
AVAILABLE = 1
"""Which of the step's checks asks for the pod to be available."""


async def measure(rounds: int) -> Sequence[Figure]:
    """A fresh sandbox each time."""
    with running_site() as site:
        found = [await _one(site) for _ in range(rounds)]
    return [
        Figure("a step ticks after its command has ended", [command for command, _ in found], "ms", "1,000 ms"),
        Figure("a check passes after the cluster is so", [cluster for _, cluster in found], "ms", "1,000 ms"),
    ]


async def _one(site: Site) -> tuple[float, float]:
    learner = Learner(site, READY_MADE)
    await learner.open_page()
    terminal = await learner.start()
    command = await _command(learner, terminal)
    cluster = await _cluster(learner, terminal)
    await terminal.socket.close()
    await learner.end()
    return command, cluster


async def _command(learner: Learner, terminal: Terminal) -> float:
    """From the mark that the command has ended, on the terminal's socket, to the verdict on the events' socket."""
    async with learner.events(COMMAND_STEP) as events:
        await _verdicts(events, COMMAND_STEP)
        passed = asyncio.create_task(_passed(events, COMMAND_STEP, 0))
        await terminal.type("kubectl get nodes\r")
        while True:
            frame = await terminal.next()
            if isinstance(frame, dict) and frame.get("mark") == "finished":
                break
        ended = time.perf_counter()
        return max(0.0, (await passed - ended) * 1000)


async def _cluster(learner: Learner, terminal: Terminal) -> float:
    """From when a kubectl that watches in a second terminal prints it to the verdict."""
    watcher = await learner.terminal("2")
    await watcher.wait_for_prompt()
    await watcher.type(f"clear; {WATCH}\r")
    async with learner.events(DEPLOY_STEP) as events:
        await _verdicts(events, DEPLOY_STEP)
        passed = asyncio.create_task(_passed(events, DEPLOY_STEP, AVAILABLE))
        seen = asyncio.create_task(watcher.read_until(lambda text: text.rstrip().endswith(b"\n1")))
        await terminal.run(CREATE)
        reached = await seen
        taken = max(0.0, (await passed - reached) * 1000)
    await watcher.socket.close()
    return taken


async def _verdicts(events: AsyncIterator[Object], step: str) -> Sequence[bool]:
    """The next verdicts on the step's checks."""
    async for event in events:
        if event["type"] == "verdicts" and event["step"] == step:
            return [check["passed"] for check in event["checks"]]
    raise RuntimeError("the events ended")


async def _passed(events: AsyncIterator[Object], step: str, number: int) -> float:
    """When the check of that number passes."""
    while not (await _verdicts(events, step))[number]:
        pass
    return time.perf_counter()


if __name__ == "__main__":
    run(measure, rounds=10)
