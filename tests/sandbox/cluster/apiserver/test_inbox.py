import asyncio

import pytest

from sandbox.cluster.apiserver.inbox import Inbox


async def test_bytes_come_out_in_order_and_end():
    inbox = Inbox()
    for part in (b"a", b"", b"b"):
        await inbox.put(part)
    inbox.end()
    await inbox.put(b"late")
    assert [await inbox.get(), await inbox.get(), await inbox.get()] == [b"a", b"b", b""]


async def test_a_full_inbox_holds_the_sender_up_until_it_is_read():
    inbox = Inbox()
    await inbox.put(bytes(300_000))
    waiting = asyncio.create_task(inbox.put(b"more"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.01)
    assert len(await inbox.get()) == 300_000
    await asyncio.wait_for(waiting, 1)
    assert await inbox.get() == b"more"


async def test_what_nobody_reads_is_swallowed():
    inbox = Inbox()
    await inbox.put(bytes(300_000))
    waiting = asyncio.create_task(inbox.put(b"more"))
    await asyncio.sleep(0)
    inbox.discard()
    await asyncio.wait_for(waiting, 1)
    await asyncio.wait_for(inbox.put(bytes(1_000_000)), 1)
    assert await inbox.get() == b""
