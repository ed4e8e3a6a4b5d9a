"""The arithmetic of a rollout: how many pods of which revision there may be. No object is changed here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Object

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


def replicas_of(obj: Object) -> int:
    """How many replicas it wants."""
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def available_of(rs: Object) -> int:
    """How many of its replicas are available."""
    return int((rs.get("status") or {}).get("availableReplicas") or 0)


def count_of(rs: Object, field: str = "replicas") -> int:
    """A count in a status."""
    return int((rs.get("status") or {}).get(field) or 0)


def total(sets: Sequence[Object]) -> int:
    """The replicas that they want together."""
    return sum(replicas_of(rs) for rs in sets)


def scaled(value: int | str | None, of: int, *, up: bool) -> int:
    """A number, or a percentage of `of`, rounded as told."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * of / 100
    return math.ceil(share) if up else math.floor(share)


def is_rolling(deployment: Object) -> bool:
    """Whether old and new pods may run at the same time."""
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods: the surge is rounded up, the other down, and both can't be none."""
    if not is_rolling(deployment):
        return 0, 0
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    replicas = replicas_of(deployment)
    surge = scaled(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def new_size(deployment: Object, sets: Sequence[Object], current: int) -> int:
    """How large the new ReplicaSet, now `current`, may be with all these beside it."""
    replicas = replicas_of(deployment)
    if not is_rolling(deployment):
        return replicas
    surge, _ = fenceposts(deployment)
    room = replicas + surge - total(sets)
    return current if room <= 0 else current + max(0, min(room, replicas - current))


def proportions(deployment: Object, sets: Sequence[Object]) -> list[int]:
    """New sizes for active sets in the middle of a rollout that is being scaled: each gets its share."""
    replicas = replicas_of(deployment)
    surge, _ = fenceposts(deployment)
    to_add = (replicas + surge if replicas > 0 else 0) - total(sets)
    sizes, added = [], 0
    for rs in sets:
        share = _share(rs, deployment, to_add - added, replicas + surge) if to_add else 0
        added += share
        sizes.append(replicas_of(rs) + share)
    if sizes and to_add != 0:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return sizes


def _share(rs: Object, deployment: Object, allowed: int, wanted: int) -> int:
    size = replicas_of(rs)
    if size == 0 or allowed == 0:
        return 0
    if replicas_of(deployment) == 0:
        fraction = -size
    else:
        before = int((rs["metadata"].get("annotations") or {}).get(MAXIMUM) or count_of(deployment) or wanted)
        fraction = math.floor(size * wanted / max(1, before) + 0.5) - size
    return min(fraction, allowed) if allowed > 0 else max(fraction, allowed)


def is_saturated(deployment: Object, rs: Object | None) -> bool:
    """Whether the new ReplicaSet is all that is needed."""
    if rs is None:
        return False
    replicas = replicas_of(deployment)
    desired = (rs["metadata"].get("annotations") or {}).get(DESIRED)
    return bool(replicas_of(rs) == replicas and str(replicas) == desired and available_of(rs) == replicas)


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether everything runs the newest template and nothing else is left."""
    replicas = replicas_of(deployment)
    counts = [status.get(name, 0) == replicas for name in ("updatedReplicas", "replicas", "availableReplicas")]
    observed = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"].get("generation", 1))
    return all(counts) and observed


def has_progressed(old: Object, new: Object) -> bool:
    """Whether something got better between two statuses."""

    def of(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    return (
        of(new, "updatedReplicas") > of(old, "updatedReplicas")
        or of(new, "replicas") - of(new, "updatedReplicas") < of(old, "replicas") - of(old, "updatedReplicas")
        or of(new, "readyReplicas") > of(old, "readyReplicas")
        or of(new, "availableReplicas") > of(old, "availableReplicas")
    )


def revision_of(obj: Object) -> int:
    """The revision an object carries, 0 without one."""
    try:
        return int((obj["metadata"].get("annotations") or {}).get(REVISION) or 0)
    except ValueError:
        return 0


def by_age(sets: Sequence[Object]) -> list[Object]:
    """Oldest first."""
    return sorted(sets, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), rs["metadata"]["name"]))


def by_size(sets: Sequence[Object], *, newer_first: bool) -> list[Object]:
    """Largest first; among equals the newer (or the older)."""
    aged = by_age(sets)
    if newer_first:
        aged.reverse()
    return sorted(aged, key=lambda rs: -replicas_of(rs))


def seconds_since(text: str, now: float) -> float:
    """How long ago a moment was."""
    return now - parse_time(text).timestamp()
