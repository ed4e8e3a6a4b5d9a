"""One container of a pod over all its restarts: started, probed, restarted with back-off, stopped."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Object
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.kubelet import environment as env
from sandbox.cluster.kubelet.backoff import BackOff, go_duration
from sandbox.cluster.kubelet.container_spec import Resolver
from sandbox.cluster.kubelet.hooks import HookFailed, run_hook
from sandbox.cluster.kubelet.probes import ProbeKind, Prober, Verdict, probe_once, timeout_message
from sandbox.cluster.kubelet.pulling import ImagePuller, NotStartable
from sandbox.cluster.kubelet.runtime import Container, Exit, PodSandbox, StartError
from sandbox.cluster.kubelet.status import ContainerRecord, Kind, Running, Terminated, Waiting
from sandbox.cluster.kubelet.volumes import VolumeFault

log = logging.getLogger(__name__)

SIGTERM, SIGKILL = 15, 9
_FIELDS = {
    "main": "containers",
    "init": "initContainers",
    "sidecar": "initContainers",
    "ephemeral": "ephemeralContainers",
}
_PROBES: tuple[tuple[ProbeKind, str], ...] = (
    ("startup", "startupProbe"),
    ("readiness", "readinessProbe"),
    ("liveness", "livenessProbe"),
)


@dataclass(frozen=True)
class Tools:
    """What all container workers of a node share."""

    puller: ImagePuller
    recorder: EventRecorder
    back_off: BackOff
    clock: Clock
    resync: float


class ContainerWorker:
    """Knows and drives one container."""

    def __init__(
        self, spec: Object, kind: Kind, *, tools: Tools, resolver: Resolver, changed: Callable[[], None]
    ) -> None:
        """`changed` is called whenever the record changed by itself (an exit, a probe)."""
        self.record = ContainerRecord(spec, kind)
        self.container: Container | None = None
        self._tools = tools
        self._resolver = resolver
        self._changed = changed
        self._pod: Object = {}
        self._sandbox: PodSandbox | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._killing: asyncio.Task[None] | None = None
        self._exited = asyncio.Event()
        self._stopped_by_probe = False
        self._logs: dict[str, str] = {}
        """Log paths by container id: of this one and the one before."""
        self._field = f"spec.{_FIELDS[kind]}{{{self.record.name}}}"

    # Starting

    def should_restart(self, restart_policy: str) -> bool:
        """Whether it must (still) be started, back-off apart."""
        record = self.record
        if record.running:
            return False
        end = record.ended
        if end is None:
            return True
        if record.kind == "ephemeral":
            return False
        if record.kind == "sidecar" or restart_policy == "Always":
            # An init container that has done its work is not started again.
            return not (record.kind == "init" and end.exit_code == 0)
        return restart_policy == "OnFailure" and end.exit_code != 0

    async def start(self, pod: Object, sandbox: PodSandbox) -> float | None:
        """Start it, unless it must wait: then its state says why, and the seconds after which to try again return."""
        self._pod, self._sandbox = pod, sandbox
        left = self._crash_back_off(pod)
        if left > 0:
            return left
        try:
            await self._start(pod, sandbox)
        except NotStartable as error:
            self._wait(error.reason, error.message)
            return error.again
        except env.ConfigError as error:
            self._tools.recorder.warning(pod, "Failed", f"Error: {error}", field=self._field)
            self._wait("CreateContainerConfigError", str(error))
            return self._tools.resync
        return None

    def _crash_back_off(self, pod: Object) -> float:
        end, record = self.record.ended, self.record
        if self._stopped_by_probe:
            # The kubelet decides on the restart while it stops the container: it sees how the one before ended.
            self._stopped_by_probe = False
            end = record.last
        if end is None:
            return 0.0
        id_ = self._back_off_id(pod)
        left = self._tools.back_off.left(id_, end.finished_at)
        if left <= 0:
            self._tools.back_off.failed(id_, end.finished_at)
            return 0.0
        name = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
        self._tools.recorder.warning(
            pod, "BackOff", f"Back-off restarting failed container {record.name} in pod {name}", field=self._field
        )
        delay = go_duration(self._tools.back_off.delay(id_))
        self._wait("CrashLoopBackOff", f"back-off {delay} restarting failed container={record.name} pod={name}")
        return min(left, self._tools.resync)

    def _back_off_id(self, pod: Object) -> str:
        return f"{pod['metadata']['uid']}/{self.record.name}"

    def _wait(self, reason: str, message: str) -> None:
        if isinstance(self.record.state, Terminated):
            self.record.last = self.record.state
        self.record.state = Waiting(reason, message)

    async def _start(self, pod: Object, sandbox: PodSandbox) -> None:
        record, events = self.record, self._tools.recorder
        image = await self._tools.puller.pull(pod, record.spec, field=self._field)
        attempt = record.restarts + (1 if record.ended is not None else 0)
        try:
            spec = self._resolver.container(
                pod, record, image, pod_ip=sandbox.ip or self._resolver.node.ip, attempt=attempt
            )
        except VolumeFault as error:
            raise NotStartable("CreateContainerConfigError", str(error), again=self._tools.resync) from error
        record.last = record.ended
        record.restarts = attempt
        record.image, record.image_id = image.name, image.digest
        events.normal(pod, "Created", f"Created container: {record.name}", field=self._field)
        try:
            container = await sandbox.start(spec)
        except StartError as error:
            self._never_started(pod, str(error))
            return
        self._begin(container, self._tools.clock.now().timestamp())
        events.normal(pod, "Started", f"Started container {record.name}", field=self._field)
        await self._post_start(container, sandbox)

    def _never_started(self, pod: Object, message: str) -> None:
        self._tools.recorder.warning(pod, "Failed", f"Error: {message}", field=self._field)
        identifier = secrets.token_hex(32)
        now = self._tools.clock.now().timestamp()
        self.record.container_id = identifier
        self.record.ready = self.record.started = False
        self.record.state = Terminated(128, "StartError", 0, now, identifier, message)
        self._changed()

    def adopt(self, container: Container, pod: Object, sandbox: PodSandbox) -> None:
        """Take over a container that survived a restart of this process; `record` has been filled from the status."""
        self._pod, self._sandbox = pod, sandbox
        state = self.record.state
        began = state.started_at if isinstance(state, Running) else self._tools.clock.now().timestamp()
        was_ready, was_started = self.record.ready, self.record.started
        self._begin(container, began)
        self.record.ready, self.record.started = self.record.ready or was_ready, self.record.started or was_started

    def _begin(self, container: Container, at: float) -> None:
        record = self.record
        self.container = container
        record.container_id = container.id
        self._logs = dict([*self._logs.items(), (container.id, container.log)][-2:])
        record.state = Running(at)
        record.started = "startupProbe" not in record.spec
        record.ready = record.started and "readinessProbe" not in record.spec and record.kind in ("main", "sidecar")
        self._exited = asyncio.Event()
        self._spawn(self._watch(container, record.restarts))
        if record.kind in ("main", "sidecar"):
            kinds: tuple[ProbeKind, ...] = ("readiness", "liveness") if record.started else ("startup",)
            self._probe(container, kinds)

    async def _post_start(self, container: Container, sandbox: PodSandbox) -> None:
        hook = (self.record.spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        try:
            await run_hook(hook, spec=self.record.spec, container=container, pod=sandbox, clock=self._tools.clock)
        except HookFailed as error:
            self._tools.recorder.warning(
                self._pod, "FailedPostStartHook", f"PostStartHook failed: {error}", field=self._field
            )
            await self.stop(30, "FailedPostStartHook")

    def log_path(self, container_id: str, logs: Path) -> Path:
        """Where the log of this container, or of the one before, is; `logs` is where the pod's logs are kept."""
        known = self._logs.get(container_id)
        if known is not None:
            return Path(known)
        # Ended before this process began: runtimes keep a log at <name>/<attempt>.log.
        current = container_id == self.record.container_id
        return logs / self.record.name / f"{self.record.restarts if current else self.record.restarts - 1}.log"

    # Running

    async def _watch(self, container: Container, attempt: int) -> None:
        end = await container.wait()
        self._ended(container, end, attempt)

    def _ended(self, container: Container, end: Exit, attempt: int) -> None:
        if container is not self.container:
            return
        record = self.record
        reason = "OOMKilled" if end.oom_killed else ("Completed" if end.code == 0 else "Error")
        message = self._resolver.volumes.termination_message(record.name, attempt)
        began = record.state.started_at if isinstance(record.state, Running) else end.started_at
        record.state = Terminated(end.code, reason, began, max(began, end.finished_at), container.id, message)
        record.ready = record.started = False
        self.container = None
        self._exited.set()
        self._stop_probing()
        self._changed()

    def _probe(self, container: Container, kinds: tuple[ProbeKind, ...]) -> None:
        for kind, key in _PROBES:
            probe = self.record.spec.get(key)
            if probe and kind in kinds:
                self._spawn(self._prober(kind, probe, container).run(), name="probe")

    def _prober(self, kind: ProbeKind, probe: Object, container: Container) -> Prober:
        sandbox, spec = self._sandbox, self.record.spec
        assert sandbox is not None

        def ask() -> Coroutine[Any, Any, Verdict]:
            return probe_once(probe, spec=spec, container=container, pod=sandbox)

        try:
            timed_out = timeout_message(probe, spec=spec, ip=sandbox.ip)
        except ValueError as error:
            timed_out = str(error)
        return Prober(kind, probe, ask, self._probed, self._probe_failed, self._tools.clock, timed_out)

    def _probed(self, kind: ProbeKind, ok: bool) -> None:  # noqa: FBT001 - a verdict
        record, container = self.record, self.container
        if container is None:
            return
        if kind == "startup" and ok:
            record.started = True
            record.ready = "readinessProbe" not in record.spec
            self._probe(container, ("readiness", "liveness"))
        elif kind == "readiness":
            if record.ready == ok:
                return
            record.ready = ok
        elif ok or self._killing is not None:
            return
        else:
            grace = self._grace(record.spec.get(f"{kind}Probe") or {})
            message = f"Container {record.name} failed {kind} probe, will be restarted"
            self._killing = self._spawn(self._stop_for(grace, message))
        self._changed()

    async def _stop_for(self, grace: float, message: str) -> None:
        try:
            self._stopped_by_probe = True
            await self.stop(grace, message)
        finally:
            self._killing = None

    def _grace(self, probe: Object) -> float:
        own = probe.get("terminationGracePeriodSeconds")
        of_pod = self._pod["spec"].get("terminationGracePeriodSeconds")
        return float(own if own is not None else 30 if of_pod is None else of_pod)

    def _probe_failed(self, kind: ProbeKind, output: str) -> None:
        name = kind.capitalize()
        self._tools.recorder.warning(self._pod, "Unhealthy", f"{name} probe failed: {output}", field=self._field)

    # Stopping

    async def stop(self, grace: float, message: str = "") -> None:
        """Run preStop, send SIGTERM, give it `grace` seconds, kill it; returns when it has ended."""
        container, exited = self.container, self._exited
        if container is None:
            return
        self._stop_probing()
        message = message or f"Stopping container {self.record.name}"
        self._tools.recorder.normal(self._pod, "Killing", message, field=self._field)
        began = self._tools.clock.monotonic()
        await self._pre_stop(container, grace)
        left = grace - (self._tools.clock.monotonic() - began)
        if left > 0:
            container.kill(SIGTERM)
            await self._within(left, exited.wait())
        if not exited.is_set():
            container.kill(SIGKILL)
            await exited.wait()

    async def _pre_stop(self, container: Container, grace: float) -> None:
        hook = (self.record.spec.get("lifecycle") or {}).get("preStop")
        if not hook or grace <= 0 or self._sandbox is None:
            return
        try:
            await self._within(
                grace,
                run_hook(hook, spec=self.record.spec, container=container, pod=self._sandbox, clock=self._tools.clock),
            )
        except HookFailed as error:
            self._tools.recorder.warning(
                self._pod, "FailedPreStopHook", f"PreStopHook failed: {error}", field=self._field
            )

    async def _within(self, seconds: float, work: Coroutine[Any, Any, Any]) -> None:
        """Do it, but not longer than that."""
        doing = asyncio.ensure_future(work)
        deadline = asyncio.ensure_future(self._tools.clock.sleep(seconds))
        try:
            await asyncio.wait({doing, deadline}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            doing.cancel()
            deadline.cancel()

    def _stop_probing(self) -> None:
        for task in [task for task in self._tasks if task.get_name() == "probe"]:
            task.cancel()

    def close(self, pod: Object | None = None) -> None:
        """Let go of the container without stopping it."""
        for task in list(self._tasks):
            task.cancel()
        if pod is not None:
            self._tools.back_off.forget(self._back_off_id(pod))

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str = "") -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._guarded(work), name=name or None)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("container %s of pod %s", self.record.name, self._pod.get("metadata", {}).get("name"))
