"""Whether a Job is done, and with what result: decided on counts alone, no object is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.cluster.api.clock import parse_time, stamp
from sandbox.cluster.api.objects import Object
from sandbox.cluster.controllers import job_pods
from sandbox.cluster.controllers.job_indexes import read


@dataclass
class Tally:
    """What has happened so far, pods that are not yet counted for good among them."""

    succeeded: int = 0
    failed: int = 0
    indexes: set[int] = field(default_factory=set)
    """Those that are complete."""
    refusal: str = ""
    """What podFailurePolicy says when it fails the Job."""


@dataclass(frozen=True)
class Verdict:
    """How a Job ends: the condition that announces it, then the one that ends it."""

    first: str
    last: str
    reason: str
    message: str


_DEADLINE = Verdict("FailureTarget", "Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
_BACKOFF = Verdict("FailureTarget", "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_REACHED = Verdict("SuccessCriteriaMet", "Complete", "CompletionsReached", "Reached expected number of succeeded pods")


def has_condition(job: Object, name: str) -> bool:
    """Whether a condition is true."""
    return condition(job, name).get("status") == "True"


def condition(job: Object, name: str) -> Object:
    """A condition of the status, or an empty object."""
    return next((one for one in (job.get("status") or {}).get("conditions") or () if one["type"] == name), {})


def is_finished(job: Object) -> bool:
    """Whether it is over, one way or the other."""
    return has_condition(job, "Complete") or has_condition(job, "Failed")


def finished_at(job: Object) -> datetime | None:
    """When it was over."""
    for name in ("Complete", "Failed"):
        if has_condition(job, name):
            return parse_time(condition(job, name)["lastTransitionTime"])
    return None


def verdict(job: Object, tally: Tally, pods: Sequence[Object], *, now: datetime) -> Verdict | None:
    """How the Job ends, or None while it goes on. What was announced stays."""
    announced = _announced(job)
    if announced is not None:
        return announced
    if tally.refusal:
        return Verdict("FailureTarget", "Failed", "PodFailurePolicy", tally.refusal)
    if tally.failed > int(job["spec"]["backoffLimit"]) or _restarts_exceed(job, pods):
        return _BACKOFF
    left = deadline_in(job, now=now)
    if left is not None and left <= 0:
        return _DEADLINE
    if tally.succeeded:
        matched = _by_policy(job, tally)
        if matched is not None:
            return matched
    return _REACHED if _is_complete(job, tally, pods) else None


def _announced(job: Object) -> Verdict | None:
    for first, last in (("FailureTarget", "Failed"), ("SuccessCriteriaMet", "Complete")):
        if has_condition(job, first):
            one = condition(job, first)
            return Verdict(first, last, one["reason"], one.get("message", ""))
    return None


def _restarts_exceed(job: Object, pods: Sequence[Object]) -> bool:
    """Pods that are restarted in place fail by their restarts."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    phases = ("Running", "Pending")
    restarts = sum(job_pods.restarts_of(one) for one in pods if (one.get("status") or {}).get("phase") in phases)
    limit = int(job["spec"]["backoffLimit"])
    return restarts > 0 if limit == 0 else restarts >= limit


def _is_complete(job: Object, tally: Tally, pods: Sequence[Object]) -> bool:
    completions = job["spec"].get("completions")
    if completions is None:
        return tally.succeeded > 0 and not any(job_pods.is_active(one) for one in pods)
    return tally.succeeded >= int(completions)


def _by_policy(job: Object, tally: Tally) -> Verdict | None:
    rules = (job["spec"].get("successPolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules):
        wanted = rule.get("succeededIndexes")
        met = (
            tally.indexes if wanted is None else tally.indexes & read(wanted, int(job["spec"].get("completions") or 0))
        )
        needed = rule.get("succeededCount")
        if needed is None:
            needed = len(read(wanted or "", int(job["spec"].get("completions") or 0)))
        if len(met) >= needed:
            return Verdict("SuccessCriteriaMet", "Complete", "SuccessPolicy", f"Matched rules at index {number}")
    return None


def deadline_in(job: Object, *, now: datetime) -> float | None:
    """Seconds until it has been active for too long; None without a limit, or while it is suspended."""
    limit, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit is None or start is None or job["spec"].get("suspend"):
        return None
    return float(limit) - (now - parse_time(start)).total_seconds()


def set_condition(status: Object, name: str, value: str, reason: str, message: str, *, now: datetime) -> bool:
    """Put a condition into a status, in place; whether it says something new."""
    conditions = [dict(one) for one in status.get("conditions") or ()]
    current = next((one for one in conditions if one["type"] == name), None)
    if current is not None and (current["status"], current["reason"]) == (value, reason):
        return False
    time = stamp(now)
    fresh = {
        "type": name,
        "status": value,
        "lastProbeTime": time,
        "lastTransitionTime": time,
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [one for one in conditions if one["type"] != name] + [fresh]
    return True
