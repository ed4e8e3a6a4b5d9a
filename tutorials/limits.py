"""How often somebody may do something: counters in the cache, by fixed windows of time."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True)
class Limit:
    """At most `times` in each `seconds`."""

    name: str
    times: int
    seconds: int

    def spend(self, who: str, *, now: float) -> int:
        """Count one more; 0 when it is within the limit, else the seconds until the next window."""
        count = self._count(who, now, add=1)
        return 0 if count <= self.times else self._left(now)

    def exhausted(self, who: str, *, now: float) -> int:
        """0 when another would be within the limit, else the seconds until the next window; counts nothing."""
        return 0 if self._count(who, now, add=0) < self.times else self._left(now)

    def _count(self, who: str, now: float, *, add: int) -> int:
        key = f"limit:{self.name}:{who}:{int(now // self.seconds)}"
        cache.add(key, 0, self.seconds)
        try:
            return cache.incr(key, add)
        except ValueError:  # thrown out of the cache between the two lines
            return add

    def _left(self, now: float) -> int:
        return max(1, int(self.seconds - now % self.seconds))
