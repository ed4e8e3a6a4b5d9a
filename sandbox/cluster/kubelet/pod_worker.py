"""The life of one pod on its node: a loop that looks at what is wanted and what is, and does the next thing.

Level-triggered: whatever wakes it (a change of the pod, an exit, a probe, a timer), it reads everything again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.kubelet import adoption
from sandbox.cluster.kubelet import environment as env
from sandbox.cluster.kubelet.container_spec import Resolver, pod_spec
from sandbox.cluster.kubelet.container_worker import ContainerWorker, Tools
from sandbox.cluster.kubelet.runtime import Container, ContainerRuntime, PodSandbox, StartError
from sandbox.cluster.kubelet.status import Addresses, Waiting, build_status, failed_status, is_terminal
from sandbox.cluster.kubelet.volumes import VolumeFault, Volumes
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.pods import PODS

log = logging.getLogger(__name__)

_LONGEST_WAIT = 600.0
"""Tokens in volumes are renewed by looking, so a worker looks at least this often."""
_FIRST_RETRY, _LAST_RETRY = 0.5, 122.0
"""Seconds between attempts to set up volumes or a sandbox, doubling."""


@dataclass(frozen=True)
class Host:
    """What a pod's worker needs of its node."""

    registry: Registry
    runtime: ContainerRuntime
    tools: Tools
    node: str
    ip: str
    cluster_dns: str
    cluster_domain: str


class PodWorker:
    """Runs one pod until it is gone."""

    def __init__(self, host: Host, key: Key, *, uid: str, volumes: Volumes, resolver: Resolver) -> None:
        self.key = key
        self.uid = uid
        self.sandbox: PodSandbox | None = None
        self.containers: dict[str, ContainerWorker] = {}
        self.writing = False
        """A status is being written by this worker: the change it causes is no news."""
        self._host = host
        self._clock = host.tools.clock
        self._volumes = volumes
        self._resolver = resolver
        self._wakeup = asyncio.Event()
        self._retry = _FIRST_RETRY
        self._reported = False
        self._mentioned: frozenset[str] = frozenset()

    def mentions(self, name: str) -> bool:
        """Whether the pod uses a ConfigMap or Secret of that name."""
        return name in self._mentioned

    def wake(self) -> None:
        """Something may have changed."""
        self._wakeup.set()

    async def run(self, adopted: Mapping[str, Container] | None = None) -> None:
        """Work until the pod is gone; `adopted` are containers of it that run already, by name/attempt."""
        try:
            await self._adopt(adopted)
            while await self._iterate():
                pass
        finally:
            for worker in self.containers.values():
                worker.close()

    async def _iterate(self) -> bool:
        """One look; False when there is nothing more to do."""
        self._wakeup.clear()
        pod = self._read()
        if pod is None:
            await self._tear_down(grace=0)
            return False
        if "deletionTimestamp" in pod["metadata"]:
            await self._terminate(pod)
            return False
        again: float | None = None
        try:
            if is_terminal(pod):
                await self._release()
            else:
                again = await self._until_deleted(self._sync(pod))
                self._publish()
        except ApiError as error:
            log.info("pod %s: %s", self.key, error)
            again = 1.0
        except Exception:
            log.exception("pod %s", self.key)
            again = 1.0
        await self._sleep(again)
        return True

    def _read(self) -> Object | None:
        pod = self._host.registry.find(PODS, self.key)
        return pod if pod is not None and pod["metadata"]["uid"] == self.uid else None

    async def _sleep(self, seconds: float | None) -> None:
        """Wait to be woken, at most that long."""
        if self._wakeup.is_set():
            return
        seconds = _LONGEST_WAIT if seconds is None else min(seconds, _LONGEST_WAIT)
        timer = self._clock.call_later(seconds, self.wake)
        try:
            await self._wakeup.wait()
        finally:
            timer.cancel()

    async def _until_deleted(self, work: Coroutine[Any, Any, float | None]) -> float | None:
        """Do it, but drop it when the pod is deleted meanwhile (a long pull must not hold a deletion up)."""
        task = asyncio.ensure_future(work)
        again = False
        try:
            while True:
                woken = asyncio.ensure_future(self._wakeup.wait())
                await asyncio.wait({task, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if task.done():
                    result = task.result()
                    return 0.0 if again else result
                self._wakeup.clear()
                again = True
                pod = self._read()
                if pod is None or "deletionTimestamp" in pod["metadata"]:
                    return 0.0
                self._publish()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    # What is wanted

    async def _sync(self, pod: Object) -> float | None:
        """Bring the pod one step further; seconds after which to look again, or None."""
        self._note_containers(pod)
        overdue = self._deadline(pod)
        if overdue is not None and overdue <= 0:
            await self._exceeded(pod)
            return None
        if self.sandbox is None:
            self._publish()
            retry = await self._set_up(pod)
            if retry is not None:
                return retry
        else:
            self._prepare_volumes(pod)
        waits = [wait async for wait in self._start_containers(pod)]
        overdue = self._deadline(self._read() or pod)
        wanted = [wait for wait in (*waits, overdue) if wait is not None]
        return min(wanted) if wanted else None

    def _note_containers(self, pod: Object) -> None:
        spec = pod["spec"]
        if not self._mentioned:
            self._mentioned = frozenset(env.mentioned(spec))
        first = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
        for key in ("initContainers", "containers", "ephemeralContainers"):
            for container in spec.get(key) or ():
                worker = self.containers.get(container["name"])
                if worker is not None:
                    worker.record.spec = container
                    continue
                kind = adoption.kind_of(key, container)
                worker = ContainerWorker(
                    container, kind, tools=self._host.tools, resolver=self._resolver, changed=self.wake
                )
                worker.record.state = Waiting(first)
                self.containers[container["name"]] = worker

    def _of(self, *kinds: str) -> list[ContainerWorker]:
        return [worker for worker in self.containers.values() if worker.record.kind in kinds]

    async def _set_up(self, pod: Object) -> float | None:
        """Volumes, then the sandbox; a number: it failed, try again after that long."""
        try:
            self._volumes.prepare(pod, pod_ip="", now=self._clock.now())
            self.sandbox = await self._run_sandbox(pod)
        except VolumeFault as error:
            self._host.tools.recorder.warning(pod, "FailedMount", str(error))
        except StartError as error:
            message = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {error}"
            self._host.tools.recorder.warning(pod, "FailedCreatePodSandBox", message)
        else:
            self._retry = _FIRST_RETRY
            return None
        self._retry, retry = min(self._retry * 2, _LAST_RETRY), self._retry
        return retry

    async def _run_sandbox(self, pod: Object) -> PodSandbox:
        host = self._host
        wanted = pod_spec(pod, node=host.node, cluster_dns=host.cluster_dns, cluster_domain=host.cluster_domain)
        return await host.runtime.run(wanted)

    def _prepare_volumes(self, pod: Object) -> None:
        """Renew what changed; what is missing now stays as it was, as on a real node."""
        try:
            self._volumes.prepare(pod, pod_ip="", now=self._clock.now())
        except VolumeFault as error:
            self._host.tools.recorder.warning(pod, "FailedMount", str(error))

    async def _start_containers(self, pod: Object) -> AsyncIterator[float | None]:
        """Start what must be started, in order; yields the seconds after which each that waits is to be tried again."""
        assert self.sandbox is not None
        policy = pod["spec"].get("restartPolicy") or "Always"
        for worker in self._of("ephemeral"):
            if worker.should_restart(policy):
                yield await worker.start(pod, self.sandbox)
        for worker in self._of("init", "sidecar"):
            if worker.record.kind == "init" and worker.record.done:
                continue
            if worker.should_restart(policy):
                yield await worker.start(pod, self.sandbox)
            if worker.record.kind == "init" or not worker.record.started:
                return  # the next one only when this one is done
        if self._finished(pod):
            return
        for worker in self._of("main"):
            if worker.should_restart(policy):
                yield await worker.start(pod, self.sandbox)

    def _finished(self, pod: Object) -> bool:
        """Whether no main container runs or will run again."""
        policy = pod["spec"].get("restartPolicy") or "Always"
        return all(not w.record.running and not w.should_restart(policy) for w in self._of("main"))

    def _deadline(self, pod: Object) -> float | None:
        """Seconds left of activeDeadlineSeconds; None without one."""
        limit, started = pod["spec"].get("activeDeadlineSeconds"), (pod.get("status") or {}).get("startTime")
        if limit is None or not started:
            return None
        return float(limit) - (self._clock.now() - parse_time(started)).total_seconds()

    async def _exceeded(self, pod: Object) -> None:
        message = "Pod was active on the node longer than the specified deadline"
        self._host.tools.recorder.normal(pod, "DeadlineExceeded", message)
        await self._stop_containers(30.0)

        def change(obj: Object) -> None:
            obj["status"] = failed_status(obj, reason="DeadlineExceeded", message=message, now=self._clock.now())

        self._write(change)

    # What is

    def _publish(self, *, final: bool = False) -> None:
        """Write the status if it changed."""
        if not self.containers:
            return
        ended = final and all(not worker.record.running for worker in self.containers.values())

        def change(pod: Object) -> None:
            if is_terminal(pod) and not final:
                return
            ready = self.sandbox is not None and not final
            ip = self.sandbox.ip or self._host.ip if self.sandbox is not None else ""
            shown = pod | {"spec": pod["spec"] | {"restartPolicy": "Never"}} if ended else pod
            pod["status"] = build_status(
                shown,
                [worker.record for worker in self.containers.values()],
                addresses=Addresses(self._host.ip, ip),
                now=self._clock.now(),
                sandbox_ready=ready,
            )

        self._write(change)

    def _write(self, change: Callable[[Object], None]) -> None:
        if self._read() is None:
            return
        self.writing = True
        try:
            written = self._host.registry.patch_status(PODS, self.key, change)
        finally:
            self.writing = False
        if is_terminal(written):
            self.wake()

    # The end

    async def _terminate(self, pod: Object) -> None:
        """Stop the containers within the grace period, show how they ended, and let the object go."""
        self._note_containers(pod)
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        stopping = asyncio.ensure_future(self._stop_containers(grace))
        try:
            while not stopping.done():
                self._wakeup.clear()
                woken = asyncio.ensure_future(self._wakeup.wait())
                await asyncio.wait({stopping, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                now = self._read()
                shorter = 0.0 if now is None else float(now["metadata"].get("deletionGracePeriodSeconds") or 0)
                if not stopping.done() and shorter < grace:
                    grace = shorter
                    stopping.cancel()
                    await asyncio.wait({stopping})
                    stopping = asyncio.ensure_future(self._stop_containers(grace))
                elif now is not None and len(self.containers) > 1:
                    self._publish()
        finally:
            stopping.cancel()
        if not is_terminal(pod):
            self._publish(final=True)
        await self._tear_down(grace=0)
        if self._read() is not None:
            self._host.registry.delete(PODS, self.key, grace=0, uid=self.uid)

    async def _stop_containers(self, grace: float) -> None:
        """Main containers together, then sidecars in reverse order."""
        began = self._clock.monotonic()
        others = self._of("main", "init", "ephemeral")
        await asyncio.gather(*(worker.stop(grace) for worker in others))
        for worker in reversed(self._of("sidecar")):
            await worker.stop(max(0.0, grace - (self._clock.monotonic() - began)))

    async def _release(self) -> None:
        """A pod that has ended keeps its containers' statuses and logs, not its sidecars and its address."""
        if self._reported:
            return
        await self._stop_containers(30.0)
        self._publish(final=True)
        self._reported = True

    async def _tear_down(self, *, grace: float) -> None:
        await self._stop_containers(grace)
        for worker in self.containers.values():
            worker.close({"metadata": {"uid": self.uid}})
        if self.sandbox is not None:
            await self.sandbox.remove()
            self.sandbox = None
        self._volumes.remove()
        self._host.tools.puller.forget(self.uid)

    async def power_cut(self) -> None:
        """End everything at once and say nothing, as when the node loses power."""
        for worker in self.containers.values():
            worker.close()
        if self.sandbox is not None:
            await self.sandbox.remove()
            self.sandbox = None

    # Beginning in the middle

    async def _adopt(self, adopted: Mapping[str, Container] | None) -> None:
        """Go on where an earlier process stopped: from the status it wrote and the containers that still run."""
        pod = self._read()
        if pod is None or not (pod.get("status") or {}).get("containerStatuses"):
            return
        self._note_containers(pod)
        records = {name: worker.record for name, worker in self.containers.items()}
        adoption.restore(pod, records)
        if is_terminal(pod):
            self._reported = not adopted
        if not adopted:
            for record in records.values():
                adoption.lost(record, self._clock.now().timestamp())
            if not is_terminal(pod):
                adoption.initialise_again(records.values())
            return
        self._volumes.prepare(pod, pod_ip="", now=self._clock.now())
        self.sandbox = await self._run_sandbox(pod)
        for worker, container in self._matching(adopted):
            worker.adopt(container, pod, self.sandbox)
        for worker in self.containers.values():
            if worker.container is None:
                adoption.lost(worker.record, self._clock.now().timestamp())

    def _matching(self, adopted: Mapping[str, Container]) -> Iterator[tuple[ContainerWorker, Container]]:
        for name, worker in self.containers.items():
            container = adopted.get(f"{name}/{worker.record.restarts}")
            if container is not None:
                yield worker, container
