"""Events are forgotten after an hour, as Kubernetes does: they would fill the store."""

from __future__ import annotations

from datetime import timedelta

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.errors import NotFound
from sandbox.cluster.api.objects import Object, key_of
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import EVENTS

_KEPT = timedelta(hours=1)
_EVERY_SECONDS = 300.0


def expire(registry: Registry) -> int:
    """Delete the events that last happened more than an hour ago; returns how many."""
    oldest = registry.clock.now() - _KEPT
    expired = 0
    for event in registry.list(EVENTS):
        if parse_time(_last(event)) >= oldest:
            continue
        try:
            registry.delete(EVENTS, key_of(event))
            expired += 1
        except NotFound:
            continue
    return expired


async def run(registry: Registry) -> None:
    """Do so now and then until cancelled."""
    while True:
        expire(registry)
        await registry.clock.sleep(_EVERY_SECONDS)


def _last(event: Object) -> str:
    for field in ("lastTimestamp", "eventTime"):
        if event.get(field):
            return str(event[field])
    return str(event["metadata"]["creationTimestamp"])
