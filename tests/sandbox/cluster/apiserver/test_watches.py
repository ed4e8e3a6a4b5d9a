import json
from dataclasses import replace

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.api.selectors import EVERYTHING, FieldSelector, parse_fields, parse_labels
from sandbox.cluster.apiserver import watches
from sandbox.cluster.apiserver.formats import Accept
from sandbox.cluster.apiserver.watches import WatchOptions, open_watch
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES, PODS
from sandbox.cluster.store import Store

ALL = WatchOptions(CONFIGMAPS, "", EVERYTHING, FieldSelector(), "", bookmarks=False, seconds=5, how=Accept())


@pytest.fixture
def registry():
    made = Registry(Store(), (NAMESPACES, CONFIGMAPS, PODS))
    for name in ("default", "other"):
        made.create(NAMESPACES, {"metadata": {"name": name}})
    return made


def make(registry, name, namespace="default", **labels):
    return registry.create(CONFIGMAPS, {"metadata": {"name": name, "labels": labels}}, namespace=namespace)


async def lines(stream, count):
    found = []
    while len(found) < count:
        found += [json.loads(line) for line in (await anext(stream)).splitlines()]
    assert len(found) == count
    await stream.aclose()
    return found


def seen(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


async def test_a_watch_begins_with_what_exists_and_goes_on(registry):
    make(registry, "a")
    stream = open_watch(registry, ALL)
    make(registry, "b")
    registry.delete(CONFIGMAPS, Key("default", "a"))
    events = await lines(stream, 3)
    assert seen(events) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert events[0]["object"]["kind"] == "ConfigMap"


async def test_a_watch_goes_on_from_a_revision(registry):
    first = make(registry, "a")["metadata"]["resourceVersion"]
    make(registry, "b")
    events = await lines(open_watch(registry, replace(ALL, revision=first)), 1)
    assert seen(events) == [("ADDED", "b")]


async def test_a_forgotten_revision_is_gone(registry):
    make(registry, "a")
    registry.store.compact()
    (event,) = await lines(open_watch(registry, replace(ALL, revision="1")), 1)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_namespaces_are_kept_apart(registry):
    stream = open_watch(registry, replace(ALL, namespace="other"))
    make(registry, "a")
    make(registry, "b", "other")
    assert seen(await lines(stream, 1)) == [("ADDED", "b")]


async def test_an_object_enters_and_leaves_a_selector(registry):
    stream = open_watch(registry, replace(ALL, labels=parse_labels("app=x")))
    key = Key("default", "a")
    make(registry, "a")
    registry.patch(CONFIGMAPS, key, lambda obj: obj["metadata"].update(labels={"app": "x"}))
    registry.patch(CONFIGMAPS, key, lambda obj: obj.update(data={"b": "c"}))
    registry.patch(CONFIGMAPS, key, lambda obj: obj["metadata"].update(labels={}))
    registry.delete(CONFIGMAPS, key)
    make(registry, "b", app="x")
    events = await lines(stream, 4)
    assert seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


async def test_field_selectors(registry):
    stream = open_watch(registry, replace(ALL, fields=parse_fields("metadata.name=b")))
    make(registry, "a")
    make(registry, "b")
    assert seen(await lines(stream, 1)) == [("ADDED", "b")]


async def test_only_the_first_table_has_columns(registry):
    make(registry, "a")
    make(registry, "b")
    events = await lines(open_watch(registry, replace(ALL, how=Accept(view="Table"))), 2)
    assert [event["object"]["kind"] for event in events] == ["Table", "Table"]
    assert events[0]["object"]["columnDefinitions"][0]["name"] == "Name"
    assert events[1]["object"]["columnDefinitions"] is None
    assert [event["object"]["rows"][0]["cells"][0] for event in events] == ["a", "b"]


async def test_a_watch_ends_after_its_time_with_a_bookmark(registry):
    make(registry, "a")
    stream = open_watch(registry, replace(ALL, bookmarks=True, seconds=0.02, revision=str(registry.revision)))
    received = [json.loads(line) async for line in stream]
    assert [event["type"] for event in received] == ["BOOKMARK"]
    assert received[0]["object"]["metadata"]["resourceVersion"] == str(registry.revision)
    await stream.aclose()


async def test_a_client_that_is_too_slow_must_list_again(registry, monkeypatch):
    monkeypatch.setattr(watches, "_WAITING_LIMIT", 3)
    stream = open_watch(registry, ALL)
    for number in range(5):
        make(registry, f"c{number}")
    assert [line async for line in stream] == []
    await stream.aclose()


async def test_much_comes_in_pieces_and_whole(registry):
    for number in range(12):
        registry.create(
            CONFIGMAPS, {"metadata": {"name": f"c{number:02}"}, "data": {"a": "x" * 100_000}}, namespace="default"
        )
    stream = open_watch(registry, ALL)
    first = await anext(stream)
    assert len(first) < 4 * 100_000 + 2000
    rest = await lines(stream, 12 - len(first.splitlines()))
    assert [name for _, name in seen([json.loads(line) for line in first.splitlines()] + rest)] == [
        f"c{number:02}" for number in range(12)
    ]


async def test_closing_ends_the_subscription(registry):
    stream = open_watch(registry, ALL)
    await stream.aclose()
    assert registry.store._listeners == []
