"""Time as the cluster sees it: handed in, so that tests advance it instead of waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """Something that will be called later."""

    def cancel(self) -> None:
        """Do not call it; cancelling twice is no error."""


class Clock(Protocol):
    """Wall time, steady time and timers."""

    def now(self) -> datetime:
        """Wall time, in UTC."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the event loop after that long."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""


class SystemClock:
    """The real one."""

    def now(self) -> datetime:
        """Wall time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` on the running loop after that long."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        await asyncio.sleep(seconds)


def stamp(moment: datetime) -> str:
    """A metav1.Time: RFC 3339 with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp(moment: datetime) -> str:
    """A metav1.MicroTime: RFC 3339 with six digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The moment that a Time or MicroTime names. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
