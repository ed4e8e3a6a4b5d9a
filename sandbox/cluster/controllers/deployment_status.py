"""What a Deployment's status says: counts, and the conditions Available, Progressing and ReplicaFailure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sandbox.cluster.api.clock import parse_time, stamp
from sandbox.cluster.api.objects import Object
from sandbox.cluster.controllers import rollout

TIMED_OUT = "ProgressDeadlineExceeded"
_COMPLETE = "NewReplicaSetAvailable"


def condition(deployment: Object, name: str) -> Object | None:
    """A condition of the status, or None."""
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == name), None)


def calculate(deployment: Object, sets: Sequence[Object], new: Object | None, now: datetime) -> Object:
    """The status with fresh counts and the Available condition; the other conditions as they were."""
    old = deployment.get("status") or {}
    available = sum(rollout.available_of(rs) for rs in sets)
    counts = {
        "replicas": sum(rollout.count_of(rs) for rs in sets),
        "updatedReplicas": rollout.count_of(new) if new else 0,
        "readyReplicas": sum(rollout.count_of(rs, "readyReplicas") for rs in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, rollout.total(sets) - available),
    }
    status: Object = {"observedGeneration": deployment["metadata"].get("generation", 1)}
    status |= {name: count for name, count in counts.items() if count}
    status["conditions"] = [dict(one) for one in old.get("conditions") or ()]
    _, unavailable = rollout.fenceposts(deployment)
    if available >= rollout.replicas_of(deployment) - unavailable:
        wanted = ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        wanted = ("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    _set(status, wanted, now)
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    return status


def judge(deployment: Object, status: Object, new: Object | None, now: datetime) -> None:
    """Set the Progressing condition of a new status, in place: complete, on its way, or out of time."""
    if deployment["spec"].get("progressDeadlineSeconds") is None:
        status["conditions"] = [one for one in status["conditions"] if one["type"] != "Progressing"]
        return
    current = condition({"status": status}, "Progressing")
    settled = current is not None and current["reason"] == _COMPLETE
    if settled and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    if rollout.is_complete(deployment, status):
        _set(status, ("Progressing", "True", _COMPLETE, f"{subject} has successfully progressed."), now)
    elif rollout.has_progressed(deployment.get("status") or {}, status):
        wanted = ("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        _set(status, wanted, now, renew=True)
    elif _is_overdue(deployment, current, now):
        _set(status, ("Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing."), now)


def copy_failures(status: Object, sets: Sequence[Object]) -> None:
    """Show why pods cannot be made, as the ReplicaSets say it, in place."""
    status["conditions"] = [one for one in status["conditions"] if one["type"] != "ReplicaFailure"]
    for rs in sets:
        failure = condition(rs, "ReplicaFailure")
        if failure is not None:
            status["conditions"].append(failure | {"lastUpdateTime": failure["lastTransitionTime"]})
            return


def _is_overdue(deployment: Object, current: Object | None, now: datetime) -> bool:
    if current is None or current["reason"] == _COMPLETE:
        return False
    if current["reason"] == TIMED_OUT:
        return True
    deadline = int(deployment["spec"]["progressDeadlineSeconds"])
    # Times have whole seconds: only when the deadline is surely over.
    return (now - parse_time(current["lastUpdateTime"])).total_seconds() >= deadline + 1


def seconds_to_deadline(deployment: Object, now: datetime) -> float | None:
    """When to look whether the rollout is stuck; None when it need not be looked at."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    current = condition(deployment, "Progressing")
    if deadline is None or current is None or current["reason"] in (_COMPLETE, TIMED_OUT):
        return None
    if deployment["spec"].get("paused"):
        return None
    return max(0.1, int(deadline) + 1.01 - (now - parse_time(current["lastUpdateTime"])).total_seconds())


def with_condition(name: str, status: str, reason: str, message: str, *, now: datetime) -> Callable[[Object], None]:
    """A change that sets one condition of a stored Deployment."""

    def change(deployment: Object) -> None:
        stored = deployment.setdefault("status", {})
        stored["conditions"] = [dict(one) for one in stored.get("conditions") or ()]
        _set(stored, (name, status, reason, message), now)

    return change


def _set(status: Object, wanted: tuple[str, str, str, str], now: datetime, *, renew: bool = False) -> None:
    name, value, reason, message = wanted
    conditions = status["conditions"]
    current = next((one for one in conditions if one["type"] == name), None)
    if current is not None and (current["status"], current["reason"]) == (value, reason) and not renew:
        return
    since = current["lastTransitionTime"] if current is not None and current["status"] == value else stamp(now)
    fresh = {
        "type": name,
        "status": value,
        "lastUpdateTime": stamp(now),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [one for one in conditions if one["type"] != name] + [fresh]
