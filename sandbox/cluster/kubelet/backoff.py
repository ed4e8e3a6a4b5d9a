"""Waiting longer after each failure: 10 s, 20 s, … 5 min, and from the start again after ten quiet minutes."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.api.clock import Clock


@dataclass
class _Entry:
    delay: float
    updated: float


class BackOff:
    """Delays by id, as client-go's flowcontrol.Backoff keeps them."""

    def __init__(self, *, start: float, longest: float, clock: Clock) -> None:
        self._start = start
        self._longest = longest
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def failed(self, id_: str, at: float) -> None:
        """One more attempt begins after a failure at that time: the next delay is twice as long."""
        entry = self._entries.get(id_)
        if entry is None or self._expired(entry, at):
            self._entries[id_] = _Entry(self._start, self._now())
            return
        entry.delay = min(entry.delay * 2, self._longest)
        entry.updated = self._now()

    def left(self, id_: str, since: float) -> float:
        """Seconds still to wait after a failure at `since`; 0 when there is nothing to wait for."""
        entry = self._entries.get(id_)
        if entry is None or self._expired(entry, since):
            return 0.0
        return max(0.0, since + entry.delay - self._now())

    def delay(self, id_: str) -> float:
        """The delay that applies now."""
        entry = self._entries.get(id_)
        return entry.delay if entry else 0.0

    def forget(self, id_: str) -> None:
        """Start from the shortest delay next time."""
        self._entries.pop(id_, None)

    def _expired(self, entry: _Entry, at: float) -> bool:
        return at - entry.updated > 2 * self._longest

    def _now(self) -> float:
        return self._clock.now().timestamp()


def go_duration(seconds: float) -> str:
    """As Go prints a duration of whole milliseconds: `835ms`, `1.2s`, `1m20s`, `5m0s`."""
    milliseconds = int(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text
