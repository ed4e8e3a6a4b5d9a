"""The controller loop: changes become keys, keys are coalesced, each is reconciled by one task at a time.

A controller is level-triggered: `reconcile` reads everything it needs from the registry and may run twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.cluster.api.clock import Clock, Timer
from sandbox.cluster.api.errors import Conflict, NotFound
from sandbox.cluster.api.objects import Key
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.resource import Resource

log = logging.getLogger(__name__)

FIRST_RETRY = 0.005
LONGEST_RETRY = 30.0


def own_key(change: Change) -> Iterable[Key]:
    """The changed object's own key: the usual mapping."""
    return (change.key,)


@dataclass(frozen=True)
class Watch:
    """Which changes wake a controller, and for which of its keys."""

    resource: Resource
    keys: Callable[[Change], Iterable[Key]] = own_key
    """Called for each change, and at start for each existing object (as ADDED)."""


class Controller(Protocol):
    """One loop of the control plane."""

    name: str

    def watches(self) -> Sequence[Watch]:
        """What wakes it."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring the world to what `key` wants; a number: come back after that many seconds.

        An exception is logged and the key retried with exponential back-off (Conflict and NotFound silently).
        """


class WorkQueue:
    """Keys to work on: a key waiting is there once, a key worked on is not given out again until it is done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, Timer]] = {}
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is worked on (timers may be running)."""
        return not self._waiting and not self._working

    def add(self, key: Key) -> None:
        """Work on it as soon as possible."""
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._wakeup.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on it after that long; an earlier appointment stays."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        existing = self._timers.get(key)
        if existing is not None:
            if existing[0] <= due:
                return
            existing[1].cancel()
        self._timers[key] = (due, self._clock.call_later(seconds, lambda: self._fire(key)))

    def retry(self, key: Key) -> float:
        """Work on it again after a failure, later each time; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(FIRST_RETRY * 2 ** min(failures, 20), LONGEST_RETRY)
        self.add_after(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """It went well: the next failure starts from the shortest delay."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """The next key; call `done` with it afterwards."""
        while not self._waiting:
            self._wakeup.clear()
            await self._wakeup.wait()
        key, _ = self._waiting.popitem(last=False)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """It is no longer worked on; what was added meanwhile comes again."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Cancel all appointments."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _fire(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)


class ControllerLoop:
    """Runs one controller with a queue of its own."""

    def __init__(self, controller: Controller, *, registry: Registry, clock: Clock, workers: int = 1) -> None:
        self.controller = controller
        self.queue = WorkQueue(clock)
        self._registry = registry
        self._workers = workers

    async def run(self) -> None:
        """Work until cancelled."""
        stops = [self._subscribe(watch) for watch in self.controller.watches()]
        log.info('"Starting controller" controller="%s"', self.controller.name)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"{self.controller.name}-{number}")
        finally:
            for stop in stops:
                stop()
            self.queue.close()

    def _subscribe(self, watch: Watch) -> Callable[[], None]:
        def enqueue(change: Change) -> None:
            for key in watch.keys(change):
                self.queue.add(key)

        stop = self._registry.watch(watch.resource, enqueue)
        for change in self._registry.snapshot(watch.resource):
            enqueue(change)
        return stop

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)
            # A reconcile that never awaits would starve the API server and the other controllers.
            await asyncio.sleep(0)

    async def _reconcile(self, key: Key) -> None:
        try:
            again = await self.controller.reconcile(key)
        except (Conflict, NotFound) as error:
            log.debug("%s %s: %s", self.controller.name, key, error)
            self.queue.retry(key)
        except Exception:
            delay = self.queue.retry(key)
            log.exception("%s %s failed, again in %.3f s", self.controller.name, key, delay)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)


async def run_controllers(controllers: Sequence[Controller], *, registry: Registry, clock: Clock) -> None:
    """Run them all until cancelled."""
    async with asyncio.TaskGroup() as group:
        for controller in controllers:
            loop = ControllerLoop(controller, registry=registry, clock=clock)
            group.create_task(loop.run(), name=controller.name)
