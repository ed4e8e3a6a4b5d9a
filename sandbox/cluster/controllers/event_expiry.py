"""Events are news: those that have not happened again for an hour are forgotten, as a real API server forgets them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock, parse_time
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.events import EVENTS

LIFETIME = 3600.0


class EventExpiry:
    """Deletes old events."""

    name = "event-expiry"

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def watches(self) -> Sequence[Watch]:
        """New events; how old they are is asked again when their time has come."""
        return (Watch(EVENTS, _of_new),)

    async def reconcile(self, key: Key) -> float | None:
        """Delete the event if it is old; else the seconds until it is."""
        event = self._registry.find(EVENTS, key)
        if event is None:
            return None
        age = (self._clock.now() - parse_time(_last_seen(event))).total_seconds()
        if age < LIFETIME:
            return max(1.0, LIFETIME - age)
        self._registry.delete(EVENTS, key)
        return None


def _of_new(change: Change) -> Iterable[Key]:
    return (change.key,) if change.type == "ADDED" else ()


def _last_seen(event: Object) -> str:
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"]["creationTimestamp"],
    )
    return str(next(time for time in times if time))
