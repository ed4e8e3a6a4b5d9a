"""What waits to be sent to a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tutorials.outbox import IN_FLIGHT, KINDS, Outbox

Object = dict[str, Any]


class Sent(list[Object]):
    async def send(self, message: Object) -> None:
        self.append(message)


@pytest.fixture
async def sent() -> AsyncIterator[tuple[Sent, Outbox]]:
    found = Sent()
    outbox = Outbox(found.send)
    running = asyncio.create_task(outbox.run())
    yield found, outbox
    running.cancel()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_messages_are_numbered_in_order(sent: tuple[Sent, Outbox]) -> None:
    found, outbox = sent
    outbox.put("a", {"type": "a"})
    outbox.put("b", {"type": "b"})
    await settle()
    assert found == [{"type": "a", "number": 1}, {"type": "b", "number": 2}]


async def test_a_page_that_does_not_answer_gets_only_so_many(sent: tuple[Sent, Outbox]) -> None:
    found, outbox = sent
    for place in range(1000):
        outbox.put("picture", {"type": "picture", "place": place})
        await settle()
    assert len(found) == IN_FLIGHT
    outbox.acknowledge(1)
    await settle()
    assert found[-1]["place"] == 999, "the newest is what counts"
    assert len(found) == IN_FLIGHT + 1


async def test_an_exaggerated_acknowledgement_gains_nothing(sent: tuple[Sent, Outbox]) -> None:
    found, outbox = sent
    outbox.acknowledge(10**9)
    for place in range(IN_FLIGHT + 10):
        outbox.put(place, {})
    await settle()
    assert len(found) == IN_FLIGHT


async def test_kinds_are_counted() -> None:
    found = Sent()
    outbox = Outbox(found.send)
    for place in range(KINDS + 50):
        outbox.put(place, {"place": place})
    running = asyncio.create_task(outbox.run())
    await settle()
    assert found[0]["place"] == 50
    running.cancel()
