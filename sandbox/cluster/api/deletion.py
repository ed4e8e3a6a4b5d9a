"""What a delete request means for one object: gone at once, or marked and kept until something lets go of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.cluster.api.clock import parse_time, stamp
from sandbox.cluster.api.objects import Object

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(frozen=True)
class DeleteOptions:
    """What a client may say with a delete."""

    grace: int | None = None
    """Seconds; None leaves it to the kind."""
    propagation: str = ""
    """Orphan, Background or Foreground; empty leaves it to the kind."""
    uid: str = ""
    """Only the object with this uid."""
    resource_version: str = ""
    """Only the object at this version."""
    dry_run: bool = False


def kept(obj: Object) -> bool:
    """Whether finalizers (or, of a namespace, its contents) keep the object from vanishing."""
    return bool(obj["metadata"].get("finalizers") or (obj.get("spec") or {}).get("finalizers"))


def releasable(obj: Object) -> bool:
    """Whether a deleted object has nothing left to wait for."""
    metadata = obj["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("deletionGracePeriodSeconds") and not kept(obj)


def mark(obj: Object, options: DeleteOptions, *, default_grace: int | None, now: datetime) -> bool:
    """Mark a copy of the object as deleted, in place; True when it may vanish at once.

    `default_grace` is what the kind gives (None: the kind is not deleted gracefully; 0: nothing runs any more).
    """
    _set_propagation(obj, options.propagation)
    seconds = _seconds(obj, options, default_grace)
    metadata = obj["metadata"]
    if "deletionTimestamp" in metadata:
        _shorten(metadata, seconds)
    else:
        metadata["deletionTimestamp"] = stamp(now + timedelta(seconds=seconds))
        metadata["deletionGracePeriodSeconds"] = seconds
        if "generation" in metadata:
            metadata["generation"] += 1
    return releasable(obj)


def _seconds(obj: Object, options: DeleteOptions, default_grace: int | None) -> int:
    if not default_grace or nothing_runs(obj):
        return 0
    seconds = default_grace if options.grace is None else options.grace
    return 1 if seconds < 0 else seconds


def nothing_runs(pod: Object) -> bool:
    """Whether a pod was never bound to a node, or has finished: there is nothing to end gracefully."""
    return not pod["spec"].get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _shorten(metadata: Object, seconds: int) -> None:
    current = metadata.get("deletionGracePeriodSeconds") or 0
    if seconds >= current:
        return
    asked = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=current)
    metadata["deletionTimestamp"] = stamp(asked + timedelta(seconds=seconds))
    metadata["deletionGracePeriodSeconds"] = seconds


def _set_propagation(obj: Object, propagation: str) -> None:
    if not propagation:
        return
    finalizers = [name for name in obj["metadata"].get("finalizers") or () if name not in (ORPHAN, FOREGROUND)]
    if propagation == "Orphan":
        finalizers.append(ORPHAN)
    elif propagation == "Foreground":
        finalizers.append(FOREGROUND)
    obj["metadata"]["finalizers"] = finalizers
