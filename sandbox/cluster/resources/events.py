"""Events: what happened to an object, as `kubectl get events` and `describe` tell it."""

from __future__ import annotations

from datetime import datetime

from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.printing import NAME, since, wide
from sandbox.cluster.resources.resource import Column, Resource


def _times(event: Object, now: datetime) -> tuple[str, str, int]:
    """First seen, last seen, count."""
    first = since(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = since(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    if series := event.get("series"):
        return first, since(series.get("lastObservedTime"), now), series.get("count", 0)
    return first, last, event.get("count") or 1


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else component


def _cells(event: Object, now: datetime) -> list[object]:
    first, last, count = _times(event, now)
    involved = event.get("involvedObject") or {}
    target = involved.get("kind", "").lower()
    if involved.get("name"):
        target += f"/{involved['name']}"
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        target,
        involved.get("fieldPath", ""),
        _source(event),
        (event.get("message") or "").strip(),
        first,
        count,
        event["metadata"]["name"],
    ]


EVENTS = Resource(
    kind="Event",
    plural="events",
    short_names=("ev",),
    columns=(
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        wide("Subobject"),
        wide("Source"),
        Column("Message"),
        wide("First Seen"),
        wide("Count"),
        Column(NAME.name, format="name", priority=1),
    ),
    cells=_cells,
    selectable_fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
)
