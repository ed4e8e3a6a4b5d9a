"""Whatever fits the schema of a kind is filled in, refused or printed; nothing of it is a fault of the server."""

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.cluster.api import schema
from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver import fieldvalidation
from sandbox.cluster.resources.all import (
    CONTROLLERREVISIONS,
    CRONJOBS,
    DAEMONSETS,
    JOBS,
    RESOURCES,
    STATEFULSETS,
)

EVERY = tuple(dict.fromkeys((*RESOURCES, DAEMONSETS, STATEFULSETS, JOBS, CRONJOBS, CONTROLLERREVISIONS)))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = st.sampled_from(
    ["", "a", "Always", "RollingUpdate", "10.0.0.1", "x y", "..", "%", "50%", "TCP", "None", "é", "1Gi"]
)
NUMBERS = st.sampled_from([0, 1, -1, 80, 70000, 2**31 - 1, -(2**31)])


def values(node, depth):
    """Values that fit a place in the schema, and nulls, which fit everywhere."""
    simple = {
        "string": TEXTS,
        "integer": NUMBERS,
        "number": NUMBERS,
        "boolean": st.booleans(),
        schema.QUANTITY: st.sampled_from(["0", "1", "-1", "500m", "1Gi", 2, 0.1]),
        schema.INT_OR_STRING: st.one_of(TEXTS, NUMBERS),
    }
    if node.format == "byte":
        return st.sampled_from(["", "YQ=="])
    if node.format == "date-time":
        return st.sampled_from(["2026-01-01T00:00:00Z", "2030-01-01T00:00:00.000001Z", None, ""])
    if node.type in simple:
        return st.one_of(simple[node.type], st.none()) if depth else simple[node.type]
    if depth > 7:
        return st.just([] if node.type == "array" else {})
    if node.type == "array":
        return st.lists(st.deferred(lambda: values(node.items(), depth + 1)), max_size=2)
    if node.structured:
        return fields(node, depth)
    if node.values() is not None:
        return st.dictionaries(TEXTS, st.deferred(lambda: values(node.values(), depth + 1)), max_size=2)
    return st.just({})


def fields(node, depth):
    """Objects with some of their fields."""
    names = [name for name in node.names() if name not in ("apiVersion", "kind", "metadata")]
    # Few at a time, or an object would never be done.
    chosen = st.lists(st.sampled_from(names), max_size=4, unique=True) if names else st.just([])
    wanted = [name for name in node.required if name in names]

    def made(picked):
        return st.fixed_dictionaries({name: values(node.field(name), depth + 1) for name in {*picked, *wanted}})

    return chosen.flatmap(made)


@pytest.mark.parametrize("resource", EVERY, ids=str)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_that_fits_the_schema_is_a_fault(resource, data):
    node = schema.kind(resource.group, resource.version, resource.kind)
    first, second = (data.draw(fields(node, 0)) for _ in range(2))
    made = []
    for body in (first, second):
        body["metadata"] = {"name": "a", "uid": "u", "labels": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z"}
        try:
            fieldvalidation.check(resource, body, "Strict")
        except BadRequest:
            return
        resource.default(body)
        made.append(body)
    old, new = made
    resource.prepare_create(old)
    created = list(resource.validate(old, None))
    resource.prepare_update(new, copy.deepcopy(old))
    for cause in (*created, *resource.validate(new, old)):
        assert set(cause) == {"reason", "message", "field"}
        assert isinstance(cause["message"], str)
    again = copy.deepcopy(old)
    resource.default(again)
    assert again == old
    json.dumps([resource.cells(old, NOW), resource.row_conditions(old), resource.graceful(old)], allow_nan=False)
    assert len(resource.cells(old, NOW)) == len(resource.columns)
