import asyncio
from collections import Counter

import pytest

from sandbox.cluster.api.clock import SystemClock
from sandbox.cluster.api.errors import Conflict
from sandbox.cluster.api.objects import Key
from sandbox.cluster.controller import LONGEST_RETRY, ControllerLoop, Watch, WorkQueue
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES
from sandbox.cluster.store import Store

A, B = Key("", "a"), Key("", "b")


class Timer:
    def __init__(self, due, callback):
        self.due, self.callback, self.cancelled = due, callback, False

    def cancel(self):
        self.cancelled = True


class ManualClock(SystemClock):
    """Time that passes when told to."""

    def __init__(self):
        self.time = 0.0
        self.timers = []

    def monotonic(self):
        return self.time

    def call_later(self, seconds, callback):
        timer = Timer(self.time + seconds, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds):
        self.time += seconds
        for timer in [one for one in self.timers if one.due <= self.time and not one.cancelled]:
            self.timers.remove(timer)
            timer.callback()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock)


async def test_a_key_waits_once(queue):
    for key in (A, B, A):
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == [A, B]


async def test_a_key_that_is_worked_on_comes_again_afterwards(queue):
    queue.add(A)
    await queue.get()
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert len(queue) == 1


async def test_a_key_can_be_wanted_later(queue, clock):
    queue.add_after(A, 10)
    queue.add_after(A, 20)
    clock.advance(9)
    assert len(queue) == 0
    queue.add_after(A, 0.5)
    clock.advance(0.5)
    assert len(queue) == 1
    clock.advance(60)
    assert len(queue) == 1


async def test_failures_wait_longer_each_time_up_to_a_limit(queue):
    delays = [queue.retry(A) for _ in range(30)]
    assert delays == sorted(delays)
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == LONGEST_RETRY
    queue.forget(A)
    assert queue.retry(A) == delays[0]


class Counting:
    """Counts how often each key is reconciled; fails as told."""

    name = "counting"

    def __init__(self, *outcomes):
        self.seen = Counter()
        self.outcomes = list(outcomes)
        self.running = 0

    def watches(self):
        return (Watch(CONFIGMAPS),)

    async def reconcile(self, key):
        self.running += 1
        assert self.running == 1
        await asyncio.sleep(0)
        self.running -= 1
        self.seen[key.name] += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def registry():
    made = Registry(Store(), (NAMESPACES, CONFIGMAPS))
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    return made


async def settled(loop):
    for _ in range(200):
        await asyncio.sleep(0)
        if loop.queue.idle:
            return
    raise AssertionError("it does not come to rest")


async def running(controller, registry, clock):
    loop = ControllerLoop(controller, registry=registry, clock=clock)
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    await settled(loop)
    return loop, task


def make(registry, name):
    registry.create(CONFIGMAPS, {"metadata": {"name": name}})


async def test_what_exists_and_what_changes_is_reconciled(registry, clock):
    make(registry, "old")
    controller = Counting()
    loop, task = await running(controller, registry, clock)
    make(registry, "new")
    registry.patch(CONFIGMAPS, Key("default", "new"), lambda obj: obj.update(data={"a": "b"}))
    await settled(loop)
    assert controller.seen == {"old": 1, "new": 1}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert registry.store._listeners == []


@pytest.mark.parametrize("fault", [RuntimeError("broken"), Conflict(CONFIGMAPS, "a")])
async def test_a_failure_is_tried_again_and_stops_nobody(registry, clock, fault):
    controller = Counting(fault)
    loop, task = await running(controller, registry, clock)
    make(registry, "a")
    await settled(loop)
    make(registry, "b")
    await settled(loop)
    assert controller.seen == {"a": 1, "b": 1}
    clock.advance(1)
    await settled(loop)
    assert controller.seen["a"] == 2
    task.cancel()


async def test_a_controller_may_ask_to_come_back(registry, clock):
    controller = Counting(30.0)
    loop, task = await running(controller, registry, clock)
    make(registry, "a")
    await settled(loop)
    clock.advance(29)
    await settled(loop)
    assert controller.seen["a"] == 1
    clock.advance(1)
    await settled(loop)
    assert controller.seen["a"] == 2
    task.cancel()
