"""How lists are shown without ever existing as a whole."""

import json
from datetime import UTC, datetime

import pytest

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver.formats import Accept
from sandbox.cluster.apiserver.room import SMALL
from sandbox.cluster.apiserver.views import Page, many
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES
from sandbox.cluster.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def page():
    registry = Registry(Store(), (NAMESPACES, CONFIGMAPS))
    registry.create(NAMESPACES, {"metadata": {"name": "default"}})
    for number in range(12):
        made = {"metadata": {"name": f"c{number:02}"}, "data": {"a": "x" * 900_000}}
        registry.create(CONFIGMAPS, made, namespace="default")
    return Page(registry.list_stored(CONFIGMAPS, namespace="default"), "7")


async def test_a_large_list_comes_in_chunks_and_whole(page):
    response = many(CONFIGMAPS, page, Accept(), now=NOW)
    assert response.stream is not None
    assert response.body == b""
    chunks = [chunk async for chunk in response.stream]
    assert max(map(len, chunks)) < SMALL + 1_000_000
    listed = json.loads(b"".join(chunks))
    assert [item["metadata"]["name"] for item in listed["items"]] == [f"c{number:02}" for number in range(12)]


def test_a_large_list_is_not_decoded_to_be_read_by_people(page):
    with pytest.raises(BadRequest, match="too large for YAML"):
        many(CONFIGMAPS, page, Accept(yaml=True), now=NOW)
    assert many(CONFIGMAPS, page, Accept(pretty=True), now=NOW).stream is not None
