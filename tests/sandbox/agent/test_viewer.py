from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.agent.ring import Ring
from sandbox.agent.viewer import HIGH, LOW, Size, Viewer


async def ready(viewer: Viewer) -> list[bytes | dict[str, Any]]:
    """All that would be sent now."""
    found: list[bytes | dict[str, Any]] = []
    while True:
        coming = asyncio.ensure_future(viewer.next())
        await asyncio.sleep(0)
        if not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
            return found
        item = coming.result()
        if item is None:
            return found
        found.append(item)


def viewer_of(ring: Ring) -> Viewer:
    viewer = Viewer("v", ring, size=Size(80, 24), interactive=True)
    viewer.begin(ring.oldest_line(), [])
    return viewer


def total(items: list[bytes | dict[str, Any]]) -> int:
    return sum(len(item) for item in items if isinstance(item, bytes))


async def test_no_more_than_the_window_is_in_flight_and_it_goes_on_at_the_low_mark() -> None:
    ring = Ring()
    viewer = viewer_of(ring)
    ring.add(b"x" * 200_000)
    assert total(await ready(viewer)) == HIGH
    viewer.acknowledge(HIGH - LOW - 1)
    assert await ready(viewer) == []
    viewer.acknowledge(HIGH - LOW)
    assert total(await ready(viewer)) == 200_000 - HIGH


async def test_messages_stand_in_their_place_among_the_bytes() -> None:
    ring = Ring()
    viewer = viewer_of(ring)
    ring.add(b"before")
    viewer.tell({"type": "mark"}, 6)
    ring.add(b"after")
    assert await ready(viewer) == [b"before", {"type": "mark"}, b"after"]


async def test_who_fell_out_of_the_ring_is_reset_to_a_whole_line() -> None:
    ring = Ring(100)
    viewer = viewer_of(ring)
    for number in range(100):
        ring.add(b"line %d\n" % number)
    first, *rest = await ready(viewer)
    assert first == {"type": "reset", "offset": ring.oldest_line()}
    assert b"".join(item for item in rest if isinstance(item, bytes)).startswith(b"line ")


async def test_after_the_end_nothing_more_is_sent() -> None:
    ring = Ring()
    viewer = viewer_of(ring)
    ring.add(b"unsent")
    viewer.end("closed")
    viewer.end("replaced")
    assert await ready(viewer) == [{"type": "closed", "reason": "closed"}]


@given(st.lists(st.tuples(st.binary(max_size=2000), st.integers(0, 4000)), max_size=40))
def test_bytes_arrive_in_order_and_whole_whatever_is_acknowledged(steps: list[tuple[bytes, int]]) -> None:
    async def scenario() -> None:
        ring = Ring(1 << 20)
        viewer = viewer_of(ring)
        printed = received = b""
        for data, acknowledged in steps:
            ring.add(data)
            printed += data
            received += b"".join(item for item in await ready(viewer) if isinstance(item, bytes))
            viewer.acknowledge(acknowledged)
            assert viewer.acknowledged <= len(received)
        assert received == printed

    asyncio.run(scenario())
