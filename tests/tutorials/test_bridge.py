"""A terminal's bytes on their way to the browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tutorials.bridge import ACK_STEP, CONTROL_WINDOW, MAX_INPUT, RESUME, WINDOW, BadMessage, Bridge

Object = dict[str, Any]


class Browser:
    """What the browser has been sent."""

    def __init__(self) -> None:
        self.bytes = b""
        self.objects: list[Object] = []

    async def send_bytes(self, data: bytes) -> None:
        self.bytes += data

    async def send_object(self, message: Object) -> None:
        self.objects.append(message)


class Stream:
    """A terminal that prints what the test says."""

    terminal = "1"

    def __init__(self, printed: list[bytes | Object], offset: int = 0) -> None:
        self.offset = offset
        self.printed = printed
        self.taken = 0
        self.typed = b""
        self.told: list[Object] = []

    async def frames(self) -> AsyncIterator[bytes | Object]:
        for frame in self.printed:
            self.taken += 1
            yield frame

    async def write(self, data: bytes) -> None:
        self.typed += data

    async def control(self, message: Object) -> None:
        self.told.append(message)

    async def close(self) -> None:
        """Nothing is open."""


CHUNK = b"x" * 1024


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_bytes_and_messages_arrive_in_order() -> None:
    browser = Browser()
    bridge = Bridge(browser, Stream([b"a", {"type": "mark", "mark": "prompt"}, b"b", {"type": "closed"}]))
    assert await bridge.pump() == {"type": "closed"}
    assert browser.bytes == b"ab"
    assert [message["type"] for message in browser.objects] == ["mark", "closed"]


async def test_a_browser_that_draws_nothing_stops_the_stream() -> None:
    browser, stream = Browser(), Stream([CHUNK] * 10_000)
    pump = asyncio.create_task(Bridge(browser, stream).pump())
    await settle()
    assert WINDOW <= len(browser.bytes) <= WINDOW + len(CHUNK)
    assert stream.taken < 200
    pump.cancel()


async def test_it_goes_on_once_the_browser_has_caught_up() -> None:
    browser, stream = Browser(), Stream([CHUNK] * 400)
    bridge = Bridge(browser, stream)
    pump = asyncio.create_task(bridge.pump())
    await settle()
    held = len(browser.bytes)
    await bridge.told({"type": "ack", "offset": held - RESUME - 1})
    await settle()
    assert len(browser.bytes) == held
    await bridge.told({"type": "ack", "offset": held - RESUME})
    await settle()
    assert len(browser.bytes) > held
    assert stream.told[-1] == {"type": "ack", "offset": held - RESUME}
    pump.cancel()


async def test_a_client_that_acknowledges_each_step_receives_everything() -> None:
    """The resume mark must not be smaller than the step, or both sides would wait."""
    browser, stream = Browser(), Stream([CHUNK] * 2000, offset=777)
    bridge = Bridge(browser, stream)
    pump = asyncio.create_task(bridge.pump())
    acknowledged = 777
    for _ in range(2000):
        await settle()
        if 777 + len(browser.bytes) - acknowledged >= ACK_STEP:
            acknowledged += ACK_STEP
            await bridge.told({"type": "ack", "offset": acknowledged})
        if pump.done():
            break
    assert len(browser.bytes) == 2000 * len(CHUNK)


async def test_acknowledging_what_was_never_sent_is_refused() -> None:
    bridge = Bridge(Browser(), Stream([b"abc"]))
    await bridge.pump()
    await bridge.told({"type": "ack", "offset": 3})
    with pytest.raises(BadMessage, match="more than was sent"):
        await bridge.told({"type": "ack", "offset": 4})


async def test_a_late_acknowledgement_from_before_a_reset_is_harmless() -> None:
    stream = Stream([b"x" * 100, {"type": "reset", "offset": 5000}, b"y"])
    bridge = Bridge(Browser(), stream)
    await bridge.pump()
    await bridge.told({"type": "ack", "offset": 100})
    assert stream.told == []
    await bridge.told({"type": "ack", "offset": 5001})
    assert stream.told == [{"type": "ack", "offset": 5001}]


async def test_messages_alone_cannot_fill_the_server() -> None:
    browser = Browser()
    stream = Stream([{"type": "mark", "mark": "command", "command": "x" * 4000}] * 10_000)
    bridge = Bridge(browser, stream)
    pump = asyncio.create_task(bridge.pump())
    await settle()
    for _ in range(100):
        await settle()
    held = len(browser.objects)
    assert held * 4000 <= CONTROL_WINDOW
    await bridge.told({"type": "ping"})
    await settle()
    assert len(browser.objects) > held + 1
    pump.cancel()


async def test_unknown_and_oversized_messages_from_a_sandbox_are_dropped() -> None:
    browser = Browser()
    await Bridge(browser, Stream([{"type": "surprise"}, {"type": "mark", "command": "x" * 9000}, {}])).pump()
    assert browser.objects == []


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "shutdown"},
        {"type": "ack"},
        {"type": "ack", "offset": -1},
        {"type": "ack", "offset": True},
        {"type": "ack", "offset": "9"},
        {"type": "resize", "columns": 0, "rows": 24},
        {"type": "resize", "columns": 80, "rows": 10**9},
    ],
)
async def test_broken_messages_from_a_browser_are_refused(message: Object) -> None:
    with pytest.raises(BadMessage):
        await Bridge(Browser(), Stream([])).told(message)


async def test_typing_is_capped() -> None:
    stream = Stream([])
    bridge = Bridge(Browser(), stream)
    await bridge.typed(b"x" * MAX_INPUT)
    assert len(stream.typed) == MAX_INPUT
    with pytest.raises(BadMessage):
        await bridge.typed(b"x" * (MAX_INPUT + 1))


async def test_a_new_size_and_a_ping() -> None:
    browser, stream = Browser(), Stream([])
    bridge = Bridge(browser, stream)
    await bridge.told({"type": "resize", "columns": 100, "rows": 30})
    await bridge.told({"type": "ping"})
    assert stream.told == [{"type": "resize", "columns": 100, "rows": 30}]
    assert browser.objects == [{"type": "pong"}]
