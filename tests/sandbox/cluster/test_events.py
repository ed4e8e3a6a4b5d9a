import re

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import EVENTS, NAMESPACES, RESOURCES
from sandbox.cluster.store import Store
from tests.sandbox.cluster.simulation import FakeClock

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7"},
}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def registry(clock):
    made = Registry(Store(), RESOURCES, clock=clock)
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    return made


def test_an_event_is_as_kubernetes_writes_it(registry, clock):
    recorder = EventRecorder(registry, "kubelet", clock=clock, host="minikube")
    recorder.normal(POD, "Created", "Created container: c", field="spec.containers{c}")
    [event] = registry.list(EVENTS)
    assert re.fullmatch(r"web\.[0-9a-f]{16}", event["metadata"]["name"])
    event = {key: value for key, value in event.items() if key not in ("metadata", "kind", "apiVersion")}
    assert event == {
        "involvedObject": {
            "kind": "Pod",
            "namespace": "default",
            "name": "web",
            "uid": "u",
            "apiVersion": "v1",
            "resourceVersion": "7",
            "fieldPath": "spec.containers{c}",
        },
        "reason": "Created",
        "message": "Created container: c",
        "source": {"component": "kubelet", "host": "minikube"},
        "firstTimestamp": "2026-11-23T16:59:25Z",
        "lastTimestamp": "2026-11-23T16:59:25Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "minikube",
    }


def test_the_same_again_is_counted(registry, clock):
    recorder = EventRecorder(registry, "kubelet", clock=clock)
    for _ in range(3):
        recorder.warning(POD, "BackOff", "Back-off")
        clock.step_to(clock.monotonic() + 10)
    [event] = registry.list(EVENTS)
    assert (event["count"], event["firstTimestamp"][-3:], event["lastTimestamp"][-3:]) == (3, "25Z", "45Z")


def test_another_message_is_another_event(registry, clock):
    recorder = EventRecorder(registry, "kubelet", clock=clock)
    recorder.warning(POD, "Failed", "one")
    recorder.warning(POD, "Failed", "two")
    assert sorted(event["message"] for event in registry.list(EVENTS)) == ["one", "two"]


def test_one_that_was_deleted_starts_again(registry, clock):
    recorder = EventRecorder(registry, "kubelet", clock=clock)
    recorder.normal(POD, "Started", "Started")
    name = registry.list(EVENTS)[0]["metadata"]["name"]
    registry.delete(EVENTS, Key("default", name))
    recorder.normal(POD, "Started", "Started")
    assert [event["count"] for event in registry.list(EVENTS)] == [1]


def test_a_namespace_that_is_not_there_takes_none(registry, clock):
    elsewhere = POD | {"metadata": POD["metadata"] | {"namespace": "gone"}}
    EventRecorder(registry, "kubelet", clock=clock).normal(elsewhere, "Started", "Started")
    assert registry.list(EVENTS) == []
