from datetime import UTC, datetime, timedelta

from sandbox.cluster.api.clock import SystemClock, micro_stamp, stamp
from sandbox.cluster.event_expiry import expire
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import EVENTS, NAMESPACES
from sandbox.cluster.store import Store

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class StoppedClock(SystemClock):
    def now(self):
        return NOW


def test_events_of_more_than_an_hour_ago_are_forgotten():
    registry = Registry(Store(), (NAMESPACES, EVENTS), clock=StoppedClock())
    registry.create(NAMESPACES, {"metadata": {"name": "default"}})
    times = {
        "counted": {"lastTimestamp": stamp(NOW - timedelta(minutes=59))},
        "old": {"lastTimestamp": stamp(NOW - timedelta(minutes=61))},
        "series": {"eventTime": micro_stamp(NOW - timedelta(hours=2))},
        "bare": {},
    }
    for name, fields in times.items():
        about = {"kind": "Pod", "name": "p", "namespace": "default"}
        registry.create(EVENTS, {"metadata": {"name": name}, "involvedObject": about, **fields})
    assert expire(registry) == 2
    assert [event["metadata"]["name"] for event in registry.list(EVENTS)] == ["bare", "counted"]
