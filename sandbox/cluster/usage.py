"""Samples what containers and nodes use, for `kubectl top`: only while somebody wants it."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key
from sandbox.cluster.api.rates import Rate
from sandbox.cluster.kubelet.runtime import Usage

WINDOW = 5.0
_SETTLE = 0.3
"""Seconds that a runtime has to measure what it was asked for: it answers with what it knows."""

Asked = Mapping[Key, Mapping[str, Callable[[], Usage | None]]]


class Agent(Protocol):
    """A node's kubelet."""

    def usage(self) -> Asked:
        """By pod and container, the way to ask for its use now."""


class Agents(Protocol):
    """The nodes that run."""

    def names(self) -> Sequence[str]:
        """Their names; the first is the control plane's."""

    def agent(self, name: str) -> Agent | None:
        """The kubelet of one of them."""


Place = tuple[str, Key, str]
"""Node, pod, container; the node's own processes are a container without a name."""
_OWN = Key("", "")


class Sampler:
    """Keeps the rates of everything that has been sampled twice."""

    window = WINDOW

    def __init__(self, agents: Agents, *, clock: Clock, own: Callable[[], Usage] | None = None) -> None:
        self._agents = agents
        self._clock = clock
        self._own = own or own_usage
        self._before: Mapping[Place, Usage] = {}
        self._at = 0.0
        self._rates: dict[Place, Rate] = {}

    async def run(self) -> None:
        """Sample until cancelled; afterwards nothing is known."""
        try:
            while True:
                self._measure()  # a runtime that measures in the background begins to
                await self._clock.sleep(_SETTLE)
                self.sample()
                await self._clock.sleep(WINDOW - _SETTLE)
        finally:
            self._before, self._rates = {}, {}

    def sample(self) -> None:
        """Take one sample and compare it with the one before."""
        now, found = self._clock.monotonic(), self._measure()
        seconds = now - self._at
        self._rates = {
            place: Rate((usage.cpu_nanoseconds - before.cpu_nanoseconds) / 1e9 / seconds, usage.memory_bytes)
            for place, usage in found.items()
            # A container that was started again counts from nothing.
            if (before := self._before.get(place)) is not None and usage.cpu_nanoseconds >= before.cpu_nanoseconds
        }
        self._before, self._at = found, now

    def of_pods(self) -> Mapping[Key, Mapping[str, Rate]]:
        """By pod and container."""
        found: dict[Key, dict[str, Rate]] = {}
        for (_, pod, container), rate in self._rates.items():
            if pod != _OWN:
                found.setdefault(pod, {})[container] = rate
        return found

    def of_nodes(self) -> Mapping[str, Rate]:
        """By node: its pods, and on the first the control plane."""
        found: dict[str, Rate] = {}
        for (node, _, _), rate in self._rates.items():
            so_far = found.get(node, Rate(0.0, 0))
            found[node] = Rate(so_far.cores + rate.cores, so_far.memory_bytes + rate.memory_bytes)
        return found if self._before else {}

    def _measure(self) -> Mapping[Place, Usage]:
        found: dict[Place, Usage] = {}
        for number, name in enumerate(self._agents.names()):
            agent = self._agents.agent(name)
            if agent is None:
                continue
            # Every node has a kubelet, and there is one process for all: it counts where the control plane is.
            found[name, _OWN, ""] = self._own() if number == 0 else Usage(0, 0)
            for pod, containers in agent.usage().items():
                measured = {container: ask() for container, ask in containers.items()}
                found |= {(name, pod, container): usage for container, usage in measured.items() if usage is not None}
        return found


def own_usage() -> Usage:
    """What this process uses."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        pages = 0
    return Usage(round((spent.ru_utime + spent.ru_stime) * 1e9), pages * os.sysconf("SC_PAGE_SIZE"))
