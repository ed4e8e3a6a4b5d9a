"""What a pod's status says, computed from what its worker knows: phase, conditions, container statuses, QoS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from sandbox.cluster.api.clock import stamp
from sandbox.cluster.api.objects import Object

Kind = Literal["init", "sidecar", "main", "ephemeral"]
COMPUTE = ("cpu", "memory")


@dataclass(frozen=True)
class Waiting:
    """Not started, and why."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    """Started."""

    started_at: float


@dataclass(frozen=True)
class Terminated:
    """Ended, and how."""

    exit_code: int
    reason: str
    started_at: float
    finished_at: float
    container_id: str = ""
    message: str = ""


State = Waiting | Running | Terminated


@dataclass
class ContainerRecord:
    """What the worker knows of one container of its pod."""

    spec: Object
    kind: Kind
    state: State = field(default_factory=lambda: Waiting("ContainerCreating"))
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    image: str = ""
    """Canonical name of the image it runs; empty until known."""
    image_id: str = ""
    container_id: str = ""

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return isinstance(self.state, Running)

    @property
    def done(self) -> bool:
        """Whether it has ended well: what the next init container waits for."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    @property
    def ended(self) -> Terminated | None:
        """How it last ended, when it does not run now."""
        if isinstance(self.state, Terminated):
            return self.state
        return self.last if isinstance(self.state, Waiting) else None


@dataclass(frozen=True)
class Addresses:
    """Where a pod lives."""

    host: str
    pod: str = ""


def build_status(
    pod: Object, records: Sequence[ContainerRecord], *, addresses: Addresses, now: datetime, sandbox_ready: bool
) -> Object:
    """The status that a pod with these containers has; conditions that did not change keep their times."""
    old = pod.get("status") or {}
    init = [record for record in records if record.kind in ("init", "sidecar")]
    # Statuses are sorted by name, those of init containers stay in the order in which they run.
    by_name = sorted(records, key=lambda record: record.name)
    main = [record for record in records if record.kind == "main"]
    phase = phase_of(init, main, restart_policy=pod["spec"].get("restartPolicy", "Always"))
    status: Object = {"phase": phase}
    status["conditions"] = _conditions(pod, init, main, phase=phase, now=now, sandbox_ready=sandbox_ready)
    for key in ("message", "reason", "nominatedNodeName"):
        if old.get(key):
            status[key] = old[key]
    status |= {"hostIP": addresses.host, "hostIPs": [{"ip": addresses.host}]}
    if addresses.pod:
        status |= {"podIP": addresses.pod, "podIPs": [{"ip": addresses.pod}]}
    status["startTime"] = old.get("startTime") or stamp(now)
    sorted_main = [record for record in by_name if record.kind == "main"]
    ephemeral = [record for record in by_name if record.kind == "ephemeral"]
    for key, group in (("initContainerStatuses", init), ("containerStatuses", sorted_main)):
        if group:
            status[key] = [container_status(record) for record in group]
    status["qosClass"] = old.get("qosClass") or qos_class(pod["spec"])
    if ephemeral:
        status["ephemeralContainerStatuses"] = [container_status(record) for record in ephemeral]
    return status


def failed_status(pod: Object, *, reason: str, message: str, now: datetime) -> Object:
    """The status of a pod that the node refused or gave up (DeadlineExceeded, OutOfcpu, …)."""
    old = pod.get("status") or {}
    return old | {
        "phase": "Failed",
        "reason": reason,
        "message": message,
        "startTime": old.get("startTime") or stamp(now),
    }


def phase_of(init: Sequence[ContainerRecord], main: Sequence[ContainerRecord], *, restart_policy: str) -> str:
    """Pending, Running, Succeeded or Failed, by the kubelet's own rules."""
    failed = [r for r in init if r.kind == "init" and isinstance(r.state, Terminated) and r.state.exit_code != 0]
    if failed and restart_policy == "Never":
        return "Failed"
    if not all(_initialized(record) for record in init):
        return "Pending"
    if any(isinstance(record.state, Waiting) and record.last is None for record in main):
        return "Pending"
    if any(record.running for record in main):
        return "Running"
    ended = [record.ended for record in main]
    if restart_policy == "Always":
        return "Running"
    if all(end is not None and end.exit_code == 0 for end in ended):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def _initialized(record: ContainerRecord) -> bool:
    if record.kind == "sidecar":
        return record.started or record.ended is not None
    return record.done


def _conditions(
    pod: Object,
    init: Sequence[ContainerRecord],
    main: Sequence[ContainerRecord],
    *,
    phase: str,
    now: datetime,
    sandbox_ready: bool,
) -> list[Object]:
    unready = _readiness(init, main, phase)
    gates = _unmet_gates(pod)
    ready = unready
    if not unready and gates:
        ready = {
            "reason": "ReadinessGatesNotReady",
            "message": f'the status of pod readiness gate {gates[0]} is not "True"',
        }
    wanted = [
        ("PodReadyToStartContainers", sandbox_ready, {}),
        ("Initialized", *_initialization(init, phase)),
        ("Ready", not ready, ready),
        ("ContainersReady", not unready, unready),
        ("PodScheduled", True, {}),
    ]
    old = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    conditions = [_condition(old.get(name), name, "True" if true else "False", why, now) for name, true, why in wanted]
    # Conditions that others set (readiness gates, DisruptionTarget) stay.
    known = {name for name, _, _ in wanted}
    return conditions + [condition for name, condition in old.items() if name not in known]


def _condition(old: Object | None, name: str, status: str, why: Object, now: datetime) -> Object:
    unchanged = old is not None and old.get("status") == status
    since = old["lastTransitionTime"] if unchanged and old is not None else stamp(now)
    return {"type": name, "status": status, "lastProbeTime": None, "lastTransitionTime": since} | why


def _initialization(init: Sequence[ContainerRecord], phase: str) -> tuple[bool, Object]:
    incomplete = [record.name for record in init if not _initialized(record)]
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        return False, {"reason": "ContainersNotInitialized", "message": message}
    return True, {"reason": "PodCompleted"} if phase == "Succeeded" else {}


def _readiness(init: Sequence[ContainerRecord], main: Sequence[ContainerRecord], phase: str) -> Object:
    """Why the pod's containers are not ready; empty when they are."""
    if phase in ("Succeeded", "Failed"):
        return {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    sidecars = [record for record in init if record.kind == "sidecar"]
    unready = [record.name for record in (*sidecars, *main) if not record.ready]
    if not unready:
        return {}
    return {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}


def _unmet_gates(pod: Object) -> list[str]:
    true = {c["type"] for c in (pod.get("status") or {}).get("conditions") or () if c.get("status") == "True"}
    return [
        f'"{gate["conditionType"]}"'
        for gate in pod["spec"].get("readinessGates") or ()
        if gate["conditionType"] not in true
    ]


def container_status(record: ContainerRecord) -> Object:
    """One entry of containerStatuses."""
    status: Object = {
        "name": record.name,
        "state": _state(record.state),
        "lastState": _state(record.last) if record.last else {},
        "ready": record.ready,
        "restartCount": record.restarts,
        "image": record.image or record.spec.get("image", ""),
        "imageID": record.image_id,
    }
    if record.container_id:
        status["containerID"] = f"containerd://{record.container_id}"
    if record.kind != "ephemeral":
        status["started"] = record.started
    if record.container_id:
        resources = record.spec.get("resources") or {}
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
        status["resources"] = {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
    mounts = [_mount_status(mount) for mount in record.spec.get("volumeMounts") or ()]
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _mount_status(mount: Object) -> Object:
    status = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        status |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return status


def _state(state: State) -> Object:
    if isinstance(state, Waiting):
        return {"waiting": {"reason": state.reason} | ({"message": state.message} if state.message else {})}
    if isinstance(state, Running):
        return {"running": {"startedAt": _time(state.started_at)}}
    terminated: Object = {"exitCode": state.exit_code, "reason": state.reason}
    if state.message:
        terminated["message"] = state.message
    terminated |= {"startedAt": _time(state.started_at), "finishedAt": _time(state.finished_at)}
    if state.container_id:
        terminated["containerID"] = f"containerd://{state.container_id}"
    return {"terminated": terminated}


def _time(seconds: float) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort."""
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(r, "requests") or _amounts(r, "limits") for r in resources):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(r) for r in resources) else "Burstable"


def _guaranteed(resources: Object) -> bool:
    limits, requests = _amounts(resources, "limits"), _amounts(resources, "requests")
    return set(limits) == set(COMPUTE) and all(requests.get(name, limits[name]) == limits[name] for name in COMPUTE)


def _amounts(resources: Object, which: str) -> dict[str, str]:
    found = resources.get(which) or {}
    return {name: str(found[name]) for name in COMPUTE if name in found and str(found[name]) not in ("0", "")}


def is_terminal(pod: Object) -> bool:
    """Whether the pod has ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def statuses(pod: Object) -> Iterable[Object]:
    """All container statuses that a stored pod has."""
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(key) or ()
