"""The cluster's nodes: a kubelet each, over one runtime or a simulated one each, started and stopped by name."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.authentication import TokenRequest, Tokens
from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.kubelet.kubelet import Adopted, Kubelet, KubeletConfig
from sandbox.cluster.kubelet.runtime import ContainerRuntime
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import SERVICEACCOUNTS

log = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0

RuntimeOf = Callable[[int], Awaitable[ContainerRuntime]]
"""A node's number, 1 for the first → what runs its pods."""


@dataclass(frozen=True)
class Identity:
    """A node's name and address."""

    number: int
    name: str
    ip: str


def identity(config: ClusterConfig, number: int) -> Identity:
    """The name and address of the node of that number, 1 for the first: as minikube names them."""
    name = config.node_name if number == 1 else f"{config.node_name}-m{number:02d}"
    return Identity(number, name, str(ipaddress.IPv4Address(config.node_ip) + number - 1))


@dataclass
class _Running:
    kubelet: Kubelet
    task: asyncio.Task[None]


class NodePool:
    """Starts and stops nodes; owns the tasks of their kubelets."""

    def __init__(
        self, registry: Registry, *, config: ClusterConfig, clock: Clock, tokens: Tokens, runtime_of: RuntimeOf
    ) -> None:
        self._registry = registry
        self._config = config
        self._clock = clock
        self._tokens = tokens
        self._runtime_of = runtime_of
        self._running: dict[str, _Running] = {}

    def agent(self, name: str) -> Kubelet | None:
        """The kubelet of a node that runs, else None."""
        found = self._running.get(name)
        return found.kubelet if found else None

    def names(self) -> Sequence[str]:
        """The nodes that run."""
        return sorted(self._running)

    async def take_over(self, numbers: Sequence[int]) -> None:
        """Start the first nodes, with what an earlier process left running."""
        adopted: dict[int, Adopted] = {}
        for number in numbers:
            runtime = await self._runtime_of(number)
            if id(runtime) not in adopted:
                adopted[id(runtime)] = await runtime.adopt()
            await self.start(number, adopted[id(runtime)])

    async def become(self, numbers: Sequence[int]) -> None:
        """Have just these nodes run: others end as in a power cut."""
        names = {identity(self._config, number).name: number for number in numbers}
        for name in self.names():
            if name not in names:
                await self.stop(name)
        for number in names.values():
            await self.start(number)

    async def start(self, number: int, adopted: Adopted | None = None) -> None:
        """Start a node; one that runs stays as it is."""
        node = identity(self._config, number)
        if node.name in self._running:
            return
        runtime = await self._runtime_of(number)
        kubelet = Kubelet(
            self._registry,
            runtime,
            config=KubeletConfig(
                node=node.name,
                ip=node.ip,
                pods_dir=self._config.pods or self._config.data / "pods",
                node_root=self._config.node_root,
                primary=number == 1,
                capacity=self._config.capacity,
                logs_dir=self._config.logs,
            ),
            clock=self._clock,
            issue_token=self._issue_token,
        )
        task = asyncio.create_task(
            kept_running(f"kubelet {node.name}", lambda: kubelet.run(adopted), self._clock), name=node.name
        )
        self._running[node.name] = _Running(kubelet, task)

    async def stop(self, name: str) -> None:
        """Stop a node as a power cut would: its containers end at once and nobody is told."""
        found = self._running.pop(name, None)
        if found is None:
            return
        await _cancelled(found.task)
        await found.kubelet.stop_all()

    async def close(self, *, containers: bool) -> None:
        """Stop every kubelet; `containers`: and end what they run."""
        running, self._running = self._running, {}
        for one in running.values():
            await _cancelled(one.task)
        if containers:
            await asyncio.gather(*(one.kubelet.stop_all() for one in running.values()))

    def _issue_token(self, pod: Object, audience: str, seconds: int) -> str:
        metadata = pod["metadata"]
        name = pod["spec"].get("serviceAccountName", "default")
        account = self._registry.get(SERVICEACCOUNTS, Key(metadata["namespace"], name))
        request = TokenRequest(
            namespace=metadata["namespace"],
            service_account=name,
            uid=account["metadata"]["uid"],
            audiences=(audience,) if audience else (),
            seconds=seconds,
            pod=metadata["name"],
            pod_uid=metadata["uid"],
        )
        return self._tokens.issue(request)[0]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def kept_running(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a part of the cluster until cancelled; when it fails, say so and start it again: the rest lives on."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("%s failed; it starts again", name)
        else:
            log.warning("%s ended; it starts again", name)
        await clock.sleep(_RESTART_SECONDS)
