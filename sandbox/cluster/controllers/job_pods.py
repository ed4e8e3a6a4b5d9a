"""What a Job's pods are and say: which index, whether they ended and how; and how they are made."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Object, controller_of, copied
from sandbox.cluster.controllers.owned_pods import pod_from_template

FINALIZER = "batch.kubernetes.io/job-tracking"
"""Keeps a pod until it was counted, so that a finished pod that somebody deletes still counts."""
INDEX = "batch.kubernetes.io/job-completion-index"
JOB_NAME = "batch.kubernetes.io/job-name"


def uid_of(pod: Object) -> str:
    """The pod's uid."""
    return str(pod["metadata"]["uid"])


def is_indexed(job: Object) -> bool:
    """Whether each completion has a number."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The completion index of a pod."""
    text = str((pod["metadata"].get("annotations") or {}).get(INDEX, ""))
    return int(text) if text.isdigit() else None


def is_tracked(pod: Object) -> bool:
    """Whether it has still to be counted."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def has_succeeded(pod: Object) -> bool:
    """Whether it did what it was made for."""
    return bool((pod.get("status") or {}).get("phase") == "Succeeded")


def has_failed(pod: Object, job: Object) -> bool:
    """Whether it counts as failed: one that is being deleted does, unless only what has ended shall be replaced."""
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Failed":
        return True
    only_ended = job["spec"].get("podReplacementPolicy") == "Failed" or bool(job["spec"].get("podFailurePolicy"))
    return not only_ended and "deletionTimestamp" in pod["metadata"] and phase != "Succeeded"


def is_active(pod: Object) -> bool:
    """Whether it works, or will."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]


def is_terminating(pod: Object) -> bool:
    """Whether it is being deleted and has not ended."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts_of(pod: Object) -> int:
    """How often its containers were started again."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return sum(int(one.get("restartCount") or 0) for one in statuses)


def ended_at(pod: Object) -> float:
    """When its last container ended; without one, when it was to be deleted; 0 when it says neither."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [((one.get("state") or {}).get("terminated") or {}).get("finishedAt") for one in statuses]
    known = [parse_time(end).timestamp() for end in ends if end]
    if known:
        return max(known)
    deleted = pod["metadata"].get("deletionTimestamp")
    return parse_time(deleted).timestamp() if deleted else 0.0


def removal_order(pod: Object) -> tuple[object, ...]:
    """Which active pods go first: those not placed, not running, not ready, the highest index, the youngest."""
    status = pod.get("status") or {}
    phases = {"Pending": 0, "Unknown": 1, "Running": 2}
    created = parse_time(pod["metadata"]["creationTimestamp"]).timestamp()
    index = index_of(pod) or 0
    placed = bool(pod["spec"].get("nodeName"))
    return (placed, phases.get(status.get("phase", "Pending"), 2), is_ready(pod), -index, -created, uid_of(pod))


def belongs_to(pod: Object, uid: str) -> bool:
    """Whether a Job with this uid controls the pod."""
    owner = controller_of(pod)
    return owner is not None and owner.get("uid") == uid


def new_pod(job: Object, index: int | None) -> Object:
    """A pod of the Job, for an index if it has such."""
    template = copied(job["spec"]["template"])
    pod = pod_from_template(template, job)
    pod["metadata"]["finalizers"] = [*(pod["metadata"].get("finalizers") or ()), FINALIZER]
    name = job["metadata"]["name"]
    # A Job with a selector of its own may not label its pods; we find them by this when the Job is gone.
    pod["metadata"].setdefault("labels", {}).setdefault(JOB_NAME, name)
    if index is None:
        return pod
    pod["metadata"]["generateName"] = f"{name}-{index}-"
    for field in ("annotations", "labels"):
        pod["metadata"].setdefault(field, {})[INDEX] = str(index)
    pod["spec"]["hostname"] = f"{name}-{index}"
    _add_environment((*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]))
    return pod


def _add_environment(containers: Iterable[Object]) -> None:
    for container in containers:
        env = container.setdefault("env", [])
        if all(one["name"] != "JOB_COMPLETION_INDEX" for one in env):
            source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
            env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
