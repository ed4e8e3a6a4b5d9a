"""The node's agent: registers the node, and runs a worker for each pod that is bound to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.kubelet import environment as env
from sandbox.cluster.kubelet import logs
from sandbox.cluster.kubelet.backoff import BackOff
from sandbox.cluster.kubelet.container_spec import Resolver, hostname_of
from sandbox.cluster.kubelet.container_worker import Tools
from sandbox.cluster.kubelet.logs import LogFile, LogOptions, LogUnavailable
from sandbox.cluster.kubelet.mirror import NAMESPACE, MirrorPods, is_mirror
from sandbox.cluster.kubelet.node import NodeRegistration
from sandbox.cluster.kubelet.pod_worker import Host, PodWorker
from sandbox.cluster.kubelet.pulling import ImagePuller
from sandbox.cluster.kubelet.runtime import Container, ContainerRuntime, PodSandbox, PodSpec, Usage
from sandbox.cluster.kubelet.volumes import TokenIssuer, Volumes
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.configmaps import CONFIGMAPS
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.secrets import SECRETS

__all__ = ["ContainerNotFound", "Kubelet", "KubeletConfig", "LogOptions", "LogUnavailable", "TokenIssuer"]

log = logging.getLogger(__name__)

_LOG_POLL = 0.05
"""Seconds after which a followed log is looked at again: its writer is another process."""

Adopted = Mapping[str, Mapping[str, Container]]


class ContainerNotFound(LookupError):
    """No such running container; the message is the kubelet's own: `container not found ("web")`."""


@dataclass(frozen=True)
class KubeletConfig:
    """What a kubelet must know of its node."""

    node: str
    ip: str
    pods_dir: Path
    """Where volumes of pods live: `<pods_dir>/<uid>/…`; on the learner's tmpfs."""
    node_root: Path
    """The node's own tree as the learner sees it; hostPath resolves inside it and never above."""
    primary: bool = True
    """The control plane node: gets the label and kube-system's mirror pods."""
    capacity: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "4026532Ki", "pods": "110"})
    cluster_dns: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    back_off_start: float = 10.0
    back_off_max: float = 300.0
    resync_seconds: float = 12.0
    """How often a container that waits is looked at again (and its BackOff event counted)."""
    lease_seconds: int = 40
    heartbeat_seconds: float = 10.0
    logs_dir: Path | None = None
    """Where the parts behind mirror pods write their logs (sandbox.cluster.journal); None: they write none."""
    status_seconds: float = 300.0


class Kubelet:
    """Runs the pods of one node."""

    def __init__(
        self,
        registry: Registry,
        runtime: ContainerRuntime,
        *,
        config: KubeletConfig,
        clock: Clock,
        issue_token: TokenIssuer,
    ) -> None:
        self._registry = registry
        self._runtime = runtime
        self._config = config
        self._clock = clock
        self._issue_token = issue_token
        self._node = env.Node(config.ip, config.capacity)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._registration = NodeRegistration(
            registry,
            name=config.node,
            ip=config.ip,
            primary=config.primary,
            capacity=config.capacity,
            runtime=f"{runtime.name}://{runtime.version}",
            clock=clock,
        )
        self._mirrors = MirrorPods(registry, node=config.node, ip=config.ip, primary=config.primary)
        self._mirrors_wanted = asyncio.Event()
        self._host = self._make_host()

    def _make_host(self) -> Host:
        config, clock = self._config, self._clock
        recorder = EventRecorder(self._registry, "kubelet", clock=clock, host=config.node)
        self._events = recorder

        def back_off() -> BackOff:
            return BackOff(start=config.back_off_start, longest=config.back_off_max, clock=clock)

        puller = ImagePuller(
            self._runtime, recorder=recorder, back_off=back_off(), resync=config.resync_seconds, clock=clock
        )
        return Host(
            registry=self._registry,
            runtime=self._runtime,
            tools=Tools(puller, recorder, back_off(), clock, config.resync_seconds),
            node=config.node,
            ip=config.ip,
            cluster_dns=config.cluster_dns,
            cluster_domain=config.cluster_domain,
        )

    # Running

    async def run(self, adopted: Adopted | None = None) -> None:
        """Register the node and run its pods until cancelled; the containers live on.

        `adopted`: what `ContainerRuntime.adopt` found, asked once for all nodes that share a runtime.
        """
        node = self._registration.register()
        self._registration.beat(lease_seconds=self._config.lease_seconds)
        self._events.normal(node, "Starting", "Starting kubelet.")
        stops = [
            self._registry.watch(PODS, self._pod_changed),
            self._registry.watch(CONFIGMAPS, self._data_changed),
            self._registry.watch(SECRETS, self._data_changed),
        ]
        try:
            await self._begin(adopted or {})
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeats())
                group.create_task(self._keep_mirrors())
        finally:
            for stop in stops:
                stop()
            await self._end_workers()

    async def stop_all(self) -> None:
        """End every container of the node at once and without a word, as a power cut would. `run` has ended before."""
        await asyncio.gather(*(worker.power_cut() for worker in self._workers.values()))
        self._workers.clear()

    async def _begin(self, adopted: Adopted) -> None:
        for pod in self._registry.list(PODS, fields=f"spec.nodeName={self._config.node}"):
            self._start_worker(pod, adopted.get(pod["metadata"]["uid"]))
        if self._config.primary:
            known = {pod["metadata"]["uid"] for pod in self._registry.list(PODS)} if adopted else set()
            await self._remove_orphans([uid for uid in adopted if uid not in known])
        self._mirrors_wanted.set()

    async def _remove_orphans(self, uids: list[str]) -> None:
        """Containers whose pod was deleted while nobody looked."""
        for uid in uids:
            spec = PodSpec(namespace="", name=uid, uid=uid, hostname="", node=self._config.node)
            sandbox = await self._runtime.run(spec)
            await sandbox.remove()

    async def _heartbeats(self) -> None:
        config = self._config
        reported = self._clock.monotonic()
        while True:
            await self._clock.sleep(config.heartbeat_seconds)
            try:
                self._registration.beat(lease_seconds=config.lease_seconds)
                if self._clock.monotonic() - reported >= config.status_seconds or not self._is_ready():
                    self._registration.report()
                    reported = self._clock.monotonic()
            except ApiError as error:
                log.warning("node %s: %s", config.node, error)
                self._register_again()

    def _is_ready(self) -> bool:
        node = self._registry.get(NODES, Key("", self._config.node))
        conditions = (node.get("status") or {}).get("conditions") or ()
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _register_again(self) -> None:
        """A node that was deleted comes back, as a running kubelet brings it back."""
        try:
            self._registration.register()
            self._mirrors_wanted.set()
        except ApiError as error:
            log.warning("node %s cannot register: %s", self._config.node, error)

    async def _keep_mirrors(self) -> None:
        while True:
            await self._mirrors_wanted.wait()
            self._mirrors_wanted.clear()
            node = self._registry.find(NODES, Key("", self._config.node))
            if node is not None:
                self._mirrors.restore(node, self._clock.now())

    # Workers

    def _pod_changed(self, change: Change) -> None:
        if change.stored.indexed.node != self._config.node:
            return
        worker = self._workers.get(change.stored.indexed.uid)
        if worker is not None:
            if not worker.writing:
                worker.wake()
        elif change.type != "DELETED":
            self._start_worker(change.object, None)
        if change.key.namespace == NAMESPACE and (
            change.type == "DELETED" or "deletionTimestamp" in change.object["metadata"]
        ):
            self._mirrors_wanted.set()

    def _data_changed(self, change: Change) -> None:
        for worker in self._workers.values():
            if worker.key.namespace == change.key.namespace and worker.mentions(change.key.name):
                worker.wake()

    def _start_worker(self, pod: Object, adopted: Mapping[str, Container] | None) -> None:
        if is_mirror(pod):
            return
        uid, key = pod["metadata"]["uid"], Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
        volumes = Volumes(
            self._config.pods_dir / uid,
            registry=self._registry,
            node=self._node,
            node_root=self._config.node_root,
            issue_token=self._issue_token,
        )
        resolver = Resolver(self._registry, self._node, volumes, hostname_of(pod))
        worker = PodWorker(self._host, key, uid=uid, volumes=volumes, resolver=resolver)
        self._workers[uid] = worker
        self._tasks[uid] = asyncio.get_running_loop().create_task(self._work(worker, adopted), name=f"pod {key.name}")

    async def _work(self, worker: PodWorker, adopted: Mapping[str, Container] | None) -> None:
        try:
            await worker.run(adopted)
        except Exception:
            log.exception("the worker of pod %s", worker.key)
        self._workers.pop(worker.uid, None)
        self._tasks.pop(worker.uid, None)

    async def _end_workers(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    # What the API server asks for

    def container(self, namespace: str, pod: str, container: str) -> Container:
        """A running container. Raises ContainerNotFound."""
        worker = self._worker(namespace, pod)
        found = worker.containers.get(container) if worker is not None else None
        if found is None or found.container is None:
            raise ContainerNotFound(f'container not found ("{container}")')
        return found.container

    def pod(self, namespace: str, pod: str) -> PodSandbox:
        """A pod's sandbox, for port-forward and proxy. Raises ContainerNotFound."""
        worker = self._worker(namespace, pod)
        if worker is None or worker.sandbox is None:
            raise ContainerNotFound(f'pod not found ("{pod}_{namespace}")')
        return worker.sandbox

    async def logs(self, namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Pieces of a container's log, in order. Raises LogUnavailable before the first piece, NotFound."""
        obj = self._registry.get(PODS, Key(namespace, pod))
        identifier = logs.container_id(obj, container, previous=options.previous)
        worker = self._worker(namespace, pod)
        found = worker.containers.get(container) if worker is not None else None
        if is_mirror(obj):
            async for piece in self._mirror_log(container, options):
                yield piece
        if worker is None or found is None:
            return
        path = found.log_path(identifier, self._config.pods_dir / worker.uid / "logs")

        async def more() -> bool:
            alive = found.container is not None and found.container.id == identifier
            await self._clock.sleep(_LOG_POLL)
            return alive

        async for piece in LogFile(path, more).read(options):
            yield piece

    async def _mirror_log(self, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """What the part of the control plane writes that the pod stands for."""
        if self._config.logs_dir is None:
            return

        async def more() -> bool:
            await self._clock.sleep(_LOG_POLL)
            return True

        async for piece in LogFile(self._config.logs_dir / f"{container}.log", more).read(options):
            yield piece

    def usage(self) -> Mapping[Key, Mapping[str, Callable[[], Usage | None]]]:
        """For `kubectl top`: by pod and container, the way to ask for its use now."""
        return {
            worker.key: {
                name: one.container.usage for name, one in worker.containers.items() if one.container is not None
            }
            for worker in self._workers.values()
        }

    def _worker(self, namespace: str, pod: str) -> PodWorker | None:
        key = Key(namespace, pod)
        stored = self._registry.find(PODS, key)
        return None if stored is None else self._workers.get(stored["metadata"]["uid"])
