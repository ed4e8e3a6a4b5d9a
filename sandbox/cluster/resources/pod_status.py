"""What `kubectl get pods` says about a pod: READY, STATUS, RESTARTS and the wide columns, computed from its status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import NONE, age, parse_time, since


@dataclass
class _Summary:
    """What is gathered while a pod's container statuses are read."""

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def restarted(self, status: Object) -> None:
        """Count a container's restarts."""
        self.restarts += status.get("restartCount", 0)
        finished = (status.get("lastState", {}).get("terminated") or {}).get("finishedAt", "")
        then, latest = parse_time(finished), parse_time(self.last_restart)
        if then and (latest is None or latest < then):
            self.last_restart = finished

    def restarts_text(self, now: datetime) -> str:
        """`0`, or `2 (30s ago)`."""
        if self.restarts and self.last_restart:
            return f"{self.restarts} ({since(self.last_restart, now)} ago)"
        return str(self.restarts)


def condition_status(pod: Object, name: str) -> str:
    """The status of a condition: True, False, Unknown, or nothing when there is none."""
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == name:
            return str(condition.get("status", ""))
    return ""


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _initial_reason(pod: Object) -> str:
    status = pod.get("status", {})
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    return str(status.get("reason") or status.get("phase") or "Pending")


def _init_reason(status: Object, *, sidecar: bool, done: int, wanted: int) -> str | None:
    """What one init container makes of the pod, or None when it is past."""
    state = status.get("state") or {}
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated is not None and terminated.get("exitCode", 0) == 0:
        return None
    if sidecar and status.get("started"):
        return None
    if terminated is not None:
        return f"Init:{_ended(terminated)}"
    if waiting and waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return f"Init:{waiting['reason']}"
    return f"Init:{done}/{wanted}"


def _read_init_containers(pod: Object, summary: _Summary, sidecars: _Summary) -> bool:
    """Whether the pod is still initializing."""
    specs = pod.get("spec", {}).get("initContainers") or ()
    restartable = {c.get("name") for c in specs if c.get("restartPolicy") == "Always"}
    summary.total += len(restartable)
    for index, status in enumerate(pod.get("status", {}).get("initContainerStatuses") or ()):
        sidecar = status.get("name") in restartable
        summary.restarted(status)
        if sidecar:
            sidecars.restarted(status)
        reason = _init_reason(status, sidecar=sidecar, done=index, wanted=len(specs))
        if reason is not None:
            summary.reason = reason
            return True
        if sidecar and status.get("ready") and not (status.get("state") or {}).get("terminated"):
            summary.ready += 1
    return False


def _read_containers(pod: Object, summary: _Summary) -> None:
    running = False
    for status in reversed(pod.get("status", {}).get("containerStatuses") or ()):
        summary.restarted(status)
        state = status.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            summary.reason = waiting["reason"]
        elif terminated is not None:
            summary.reason = _ended(terminated)
        elif status.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if condition_status(pod, "Ready") == "True" else "NotReady"


def _summarise(pod: Object) -> _Summary:
    summary = _Summary(_initial_reason(pod), total=len(pod.get("spec", {}).get("containers") or ()))
    sidecars = _Summary("", total=0)
    initializing = _read_init_containers(pod, summary, sidecars)
    if not initializing or condition_status(pod, "Initialized") == "True":
        summary.restarts, summary.last_restart = sidecars.restarts, sidecars.last_restart
        _read_containers(pod, summary)
    if pod["metadata"].get("deletionTimestamp"):
        status = pod.get("status", {})
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            summary.reason = "Terminating"
    return summary


def pod_status_text(pod: Object) -> str:
    """The STATUS column: Running, Init:0/1, CrashLoopBackOff, Terminating, …"""
    return _summarise(pod).reason


def _gates(pod: Object) -> str:
    gates = pod.get("spec", {}).get("readinessGates") or ()
    if not gates:
        return NONE
    passed = sum(condition_status(pod, gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{passed}/{len(gates)}"


def pod_cells(pod: Object, now: datetime) -> list[object]:
    """A row of the pods table."""
    summary, spec, status = _summarise(pod), pod.get("spec", {}), pod.get("status", {})
    addresses = status.get("podIPs") or ()
    return [
        pod["metadata"]["name"],
        f"{summary.ready}/{summary.total}",
        summary.reason,
        summary.restarts_text(now),
        age(pod, now),
        (addresses[0].get("ip") if addresses else status.get("podIP")) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(pod),
    ]


def pod_row_conditions(pod: Object) -> Sequence[Object]:
    """Row conditions, by which kubectl can grey out finished pods."""
    phase = pod.get("status", {}).get("phase")
    if phase == "Succeeded":
        message = "The pod has completed successfully."
    elif phase == "Failed":
        message = "The pod failed."
    else:
        return ()
    return ({"type": "Completed", "status": "True", "reason": phase, "message": message},)
