"""A cluster without containers and with a clock of its own: what the tests of controllers and kubelet run in."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import ControllerLoop
from sandbox.cluster.controllers.all import ControllersConfig, controllers
from sandbox.cluster.kubelet.kubelet import Kubelet, KubeletConfig
from sandbox.cluster.kubelet.simulated import SimulatedContainer, SimulatedRuntime
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import DEPLOYMENTS, EVENTS, NAMESPACES, PODS, REPLICASETS, RESOURCES
from sandbox.cluster.scheduler import Scheduler
from sandbox.cluster.store import Store

START = datetime(2026, 11, 23, 16, 59, 25, tzinfo=UTC).timestamp()


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(START + self._now, UTC)

    def monotonic(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._now + max(0.0, seconds), next(self._order), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: woken.done() or woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def fire_due(self) -> bool:
        """Call what is due; whether there was anything."""
        fired = False
        while self._timers and self._timers[0][0] <= self._now:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                callback()
                fired = True
        return fired

    def step_to(self, until: float) -> bool:
        """Go to the next appointment, at most to `until`; whether there was one before that."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if self._timers and self._timers[0][0] <= until:
            self._now = max(self._now, self._timers[0][0])
            return True
        self._now = until
        return False


class Simulation:
    """Store, registry, controllers, scheduler and one kubelet over a simulated runtime."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.registry = Registry(Store(":memory:"), RESOURCES, clock=self.clock, chance=random.Random(7))
        self.runtime = SimulatedRuntime(clock=self.clock, pods=directory / "pods")
        (directory / "node").mkdir()
        self.config = KubeletConfig("minikube", "192.168.49.2", directory / "pods", directory / "node")
        self.directory = directory
        self.tokens: list[tuple[str, str, int]] = []
        self.kubelet = self.new_kubelet(self.config)
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.registry.create(NAMESPACES, {"metadata": {"name": name}})
        self._tasks: list[asyncio.Task[None]] = []

    def new_kubelet(self, config: KubeletConfig) -> Kubelet:
        return Kubelet(self.registry, self.runtime, config=config, clock=self.clock, issue_token=self._token)

    def _token(self, pod: Object, audience: str, seconds: int) -> str:
        self.tokens.append((pod["metadata"]["name"], audience, seconds))
        return f"token-{len(self.tokens)}"

    def start_controllers(self) -> None:
        all_ = controllers(self.registry, clock=self.clock, config=ControllersConfig(ca_certificate="PEM"))
        for controller in (*all_, Scheduler(self.registry, clock=self.clock)):
            loop = ControllerLoop(controller, registry=self.registry, clock=self.clock)
            self._tasks.append(asyncio.ensure_future(loop.run()))

    def start_kubelet(self, kubelet: Kubelet | None = None) -> asyncio.Task[None]:
        task = asyncio.ensure_future((kubelet or self.kubelet).run())
        self._tasks.append(task)
        return task

    async def add_node(self, name: str) -> None:
        """One more node, whose containers the same runtime simulates."""
        ip = f"192.168.49.{3 + sum(1 for task in self._tasks if task.get_name() == 'kubelet')}"
        config = KubeletConfig(name, ip, self.directory / "pods", self.directory / "node", primary=False)
        self.start_kubelet(self.new_kubelet(config)).set_name("kubelet")
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that happens without time passing."""
        quiet, revision = 0, -1
        while quiet < 30:
            fired = self.clock.fire_due()
            await asyncio.sleep(0)
            quiet = 0 if fired or revision != self.registry.revision else quiet + 1
            revision = self.registry.revision
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]

    async def advance(self, seconds: float) -> None:
        """Let time pass, from one appointment to the next."""
        until = self.clock.monotonic() + seconds
        await self.settle()
        while self.clock.step_to(until):
            await self.settle()
        await self.settle()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Shorthands

    def pod(self, name: str, namespace: str = "default") -> Object:
        return self.registry.get(PODS, Key(namespace, name))

    def pods(self, **wanted: str) -> list[Object]:
        return list(self.registry.list(PODS, namespace="default", **wanted))

    def deployment(self, name: str) -> Object:
        return self.registry.get(DEPLOYMENTS, Key("default", name))

    def replica_sets(self) -> list[Object]:
        return list(self.registry.list(REPLICASETS, namespace="default"))

    def events(self, about: str = "") -> list[tuple[str, str, str]]:
        """(type, reason, message), in order."""
        found = sorted(self.registry.list(EVENTS), key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [
            (event["type"], event["reason"], event["message"])
            for event in found
            if not about or event["involvedObject"]["name"] == about
        ]

    def container(self, pod: str, container: str = "c") -> SimulatedContainer:
        found = self.kubelet.container("default", pod, container)
        assert isinstance(found, SimulatedContainer)
        return found

    def create_pod(self, name: str = "web", **spec: object) -> Object:
        container = {"name": "c", "image": "busybox:1.36", "command": ["sleep", "3600"]}
        full = {"containers": [container]} | spec
        return self.registry.create(PODS, {"metadata": {"name": name}, "spec": full}, namespace="default")


def deployment(name: str = "web", *, image: str = "nginx:1.25", replicas: int = 1, **spec: object) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    full = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template} | spec
    return {"metadata": {"name": name, "labels": labels}, "spec": full}


@contextlib.asynccontextmanager
async def simulation(directory: Path) -> AsyncIterator[Simulation]:
    """A running simulated cluster."""
    simulated = Simulation(directory)
    simulated.start_controllers()
    simulated.start_kubelet()
    await simulated.settle()
    try:
        yield simulated
    finally:
        await simulated.close()
