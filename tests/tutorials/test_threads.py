from __future__ import annotations

import asyncio
import threading

from asgiref.sync import sync_to_async

from tutorials.threads import Threads


def here() -> str:
    return threading.current_thread().name


async def test_a_quiet_site_needs_one_thread() -> None:
    threads = Threads(4)
    seen = set()
    for _ in range(5):
        async with threads.one():
            seen.add(await sync_to_async(here)())
    assert len(seen) == 1


async def test_more_requests_than_threads_wait_in_a_line() -> None:
    threads = Threads(2)
    order: list[int] = []
    turn = threading.Semaphore(0)

    def work(number: int) -> str:
        assert turn.acquire(timeout=10)
        order.append(number)
        return here()

    async def request(number: int) -> str:
        async with threads.one():
            return await sync_to_async(work)(number)

    tasks = [asyncio.create_task(request(number)) for number in range(6)]
    for _ in tasks:
        await asyncio.sleep(0)
        turn.release()
    assert len(set(await asyncio.gather(*tasks))) == 2
    assert order[-1] > 3, "who came last was served last"


async def test_a_request_that_is_given_up_returns_its_thread() -> None:
    threads = Threads(1)

    async def request() -> None:
        async with threads.one():
            await asyncio.Event().wait()

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5), threads.one():
        assert (await sync_to_async(here)()).startswith("page-0")
