"""Events: what happened, in Kubernetes' words, with repetitions counted instead of listed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sandbox.cluster.api.clock import Clock, micro_stamp, stamp
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.events import EVENTS

_REMEMBERED = 2048
"""How many different events a recorder remembers in order to count them; Kubernetes: 4096."""


@dataclass(frozen=True)
class _Seen:
    namespace: str
    name: str
    count: int
    nanoseconds: int


class EventRecorder:
    """Writes events about objects on behalf of one component."""

    def __init__(self, registry: Registry, component: str, *, clock: Clock, host: str = "") -> None:
        self._registry = registry
        self._component = component
        self._clock = clock
        self._host = host
        self._seen: OrderedDict[tuple[str, ...], _Seen] = OrderedDict()

    def normal(self, about: Object, reason: str, message: str, *, field: str = "") -> None:
        """Record that something went as it should."""
        self._record(about, "Normal", reason, message, field)

    def warning(self, about: Object, reason: str, message: str, *, field: str = "") -> None:
        """Record that something went wrong."""
        self._record(about, "Warning", reason, message, field)

    def _record(self, about: Object, type_: str, reason: str, message: str, field: str) -> None:
        reference = _reference(about, field)
        key = (reference["kind"], reference["uid"], reference["name"], field, type_, reason, message)
        seen = self._seen.pop(key, None)
        counted = self._count(seen) if seen is not None else None
        if counted is None:
            counted = self._create(reference, type_, reason, message)
        if counted is None:
            return
        self._seen[key] = counted
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _count(self, seen: _Seen) -> _Seen | None:
        """One more of the same; None when the event is gone."""
        key = Key(seen.namespace, seen.name)
        event = self._registry.find(EVENTS, key)
        if event is None:
            return None
        event["count"] = seen.count + 1
        event["lastTimestamp"] = stamp(self._clock.now())
        try:
            self._registry.update(EVENTS, event)
        except ApiError:
            return None
        return _Seen(seen.namespace, seen.name, seen.count + 1, seen.nanoseconds)

    def _create(self, reference: Object, type_: str, reason: str, message: str) -> _Seen | None:
        now = self._clock.now()
        namespace = reference.get("namespace") or "default"
        nanoseconds = int(now.timestamp() * 1_000_000) * 1000
        while True:
            name = f"{reference['name']}.{nanoseconds:x}"
            if not self._registry.exists(EVENTS, Key(namespace, name)):
                break
            nanoseconds += 1
        source = {"component": self._component} | ({"host": self._host} if self._host else {})
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": reference,
            "reason": reason,
            "message": message[:1024],
            "source": source,
            "firstTimestamp": stamp(now),
            "lastTimestamp": stamp(now),
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        return self._store(event, namespace, nanoseconds)

    def _store(self, event: Object, namespace: str, nanoseconds: int) -> _Seen | None:
        try:
            self._registry.create(EVENTS, event, namespace=namespace)
        except ApiError:
            return None  # a terminating namespace takes no events; nothing depends on one
        return _Seen(namespace, event["metadata"]["name"], 1, nanoseconds)


def scheduling_event(about: Object, *, type_: str, reason: str, message: str, clock: Clock) -> Object:
    """An event as the scheduler writes them: through events.k8s.io, so without counts and with a micro time."""
    now = clock.now()
    reference = _reference(about, "")
    nanoseconds = int(now.timestamp() * 1_000_000) * 1000
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{reference['name']}.{nanoseconds:x}",
            "namespace": reference.get("namespace", "default"),
        },
        "involvedObject": reference,
        "reason": reason,
        "message": message,
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "type": type_,
        "eventTime": micro_stamp(now),
        "action": "Binding" if reason == "Scheduled" else "Scheduling",
        "reportingComponent": "default-scheduler",
        "reportingInstance": "default-scheduler-minikube",
    }


def _reference(about: Object, field: str) -> Object:
    metadata = about["metadata"]
    reference: Object = {"kind": about["kind"]}
    if metadata.get("namespace"):
        reference["namespace"] = metadata["namespace"]
    reference |= {"name": metadata["name"], "uid": metadata.get("uid", ""), "apiVersion": about["apiVersion"]}
    if metadata.get("resourceVersion"):
        reference["resourceVersion"] = metadata["resourceVersion"]
    if field:
        reference["fieldPath"] = field
    return reference
