"""Looking at many pods costs: the more there are, the less often a controller looks; changes pile up into one look."""

from __future__ import annotations

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key

_FREE = 50
"""So many pods are looked at as often as anything changes."""
_SECONDS_EACH = 0.0002


class Pace:
    """When each key was last looked at, and how long it may wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[Key, float] = {}

    def wait(self, key: Key) -> float | None:
        """Seconds to wait before the next look; None: look now."""
        left = self._next.get(key, 0.0) - self._clock.monotonic()
        return left if left > 0 else None

    def looked(self, key: Key, pods: int) -> None:
        """It has been looked at, and had so many pods."""
        if pods > _FREE:
            self._next[key] = self._clock.monotonic() + pods * _SECONDS_EACH
        else:
            self._next.pop(key, None)
