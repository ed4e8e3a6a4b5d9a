"""Finished Jobs whose time to live is over go, with their pods."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.job_verdict import finished_at
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.jobs import JOBS


class JobExpiry:
    """Deletes Jobs `ttlSecondsAfterFinished` after their end."""

    name = "ttl-after-finished-controller"

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def watches(self) -> Sequence[Watch]:
        """Jobs."""
        return (Watch(JOBS),)

    async def reconcile(self, key: Key) -> float | None:
        """Delete it, or say in how many seconds."""
        job = self._registry.find(JOBS, key)
        if job is None or "deletionTimestamp" in job["metadata"]:
            return None
        limit, end = job["spec"].get("ttlSecondsAfterFinished"), finished_at(job)
        if limit is None or end is None:
            return None
        left = float(limit) - (self._clock.now() - end).total_seconds()
        if left > 0:
            return left
        self._registry.delete(JOBS, key, propagation="Foreground", uid=job["metadata"]["uid"])
        return None
