"""What a cluster has besides its core while it is switched on: metrics-server."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.kubelet.mirror import NAMESPACE, Component, MirrorPods
from sandbox.cluster.node_pool import Identity, kept_running
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.metrics import NODE_METRICS, POD_METRICS
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.usage import Sampler

METRICS_SERVER = "metrics-server"
_LABELS = {"k8s-app": METRICS_SERVER}
_POD = Component(
    "metrics-server-7fbb699795-{suffix}",
    "registry.k8s.io/metrics-server/metrics-server:v0.7.2",
    "sandbox.cluster.usage, a part of Quayside's cluster process, not a container",
    _LABELS | {"pod-template-hash": "7fbb699795"},
    METRICS_SERVER,
)
_LOOK_AGAIN = 5.0


class Addons:
    """Switches them on and off."""

    def __init__(
        self, registry: Registry, *, node: Identity, sampler: Sampler, served: list[Resource], clock: Clock
    ) -> None:
        """`served` is the list of what the API serves besides stored resources; ours are added while they are on."""
        self._registry = registry
        self._node = node
        self._sampler = sampler
        self._served = served
        self._clock = clock
        self._mirrors = MirrorPods(registry, node=node.name, ip=node.ip, primary=True, components=(_POD,))
        self._tasks: list[asyncio.Task[None]] = []

    async def become(self, names: Collection[str]) -> None:
        """Have just these addons on; names that are none of ours change nothing."""
        if METRICS_SERVER in names:
            self._switch_on()
        else:
            await self.close()
            self._take_away()

    async def close(self) -> None:
        """Stop what runs; the objects stay for the next process."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._served[:] = [one for one in self._served if one not in (NODE_METRICS, POD_METRICS)]

    def _switch_on(self) -> None:
        if self._tasks:
            return
        self._served += [NODE_METRICS, POD_METRICS]
        for name, run in (("metrics sampler", self._sampler.run), ("metrics-server", self._keep_objects)):
            self._tasks.append(asyncio.create_task(kept_running(name, run, self._clock), name=name))

    async def _keep_objects(self) -> None:
        """Show it in kube-system, also after somebody has deleted it there."""
        while True:
            node = self._registry.find(NODES, Key("", self._node.name))
            if node is not None:
                self._mirrors.restore(node, self._clock.now())
                self._ensure_service()
            await self._clock.sleep(_LOOK_AGAIN if node is not None else 0.1)

    def _ensure_service(self) -> None:
        if self._registry.find(SERVICES, Key(NAMESPACE, METRICS_SERVER)) is not None:
            return
        port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"}
        service: Object = {
            "metadata": {"name": METRICS_SERVER, "namespace": NAMESPACE, "labels": dict(_LABELS)},
            "spec": {"ports": [port], "selector": dict(_LABELS)},
        }
        try:
            self._registry.create(SERVICES, service, namespace=NAMESPACE)
        except ApiError:
            return  # kube-system is not there yet, or is going

    def _take_away(self) -> None:
        for key in self._mirrors.places():
            if self._registry.find(PODS, key) is not None:
                self._registry.delete(PODS, key, grace=0)
        key = Key(NAMESPACE, METRICS_SERVER)
        if self._registry.find(SERVICES, key) is not None:
            self._registry.delete(SERVICES, key)
