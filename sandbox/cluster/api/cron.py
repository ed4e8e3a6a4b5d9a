"""Cron schedules as Kubernetes reads them: five fields, names, ranges, steps, and `@hourly` and its like."""

from __future__ import annotations

import importlib.resources  # noqa: F401 - zoneinfo imports it late, when a sandbox has no Python to import from
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FOREVER = 366 * 5
"""Days after which a schedule that has not come will never come (30 February)."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_LONGEST = 366 * 86400 * 100.0


class BadSchedule(ValueError):
    """A text is no schedule; the message is the one that Kubernetes gives."""


@dataclass(frozen=True)
class Every:
    """`@every 1h30m`: counted from the last time."""

    seconds: int

    def after(self, moment: datetime) -> datetime | None:
        """The next time after a moment."""
        return moment.replace(microsecond=0) + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Calendar:
    """Five fields, in a time zone."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether the day of the month, or that of the week, is a star: then both must fit, else one is enough."""
    zone: tzinfo

    def after(self, moment: datetime) -> datetime | None:
        """The next time after a moment, in UTC; None when there is none within five years."""
        local = moment.astimezone(self.zone)
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
        for _ in range(_FOREVER):
            if self._fits(day):
                found = self._on(day, moment)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _fits(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return (in_month and in_week) if self.any_day else (in_month or in_week)

    def _on(self, day: datetime, moment: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = day.replace(hour=hour, minute=minute)
                time = local.replace(tzinfo=self.zone).astimezone(UTC)
                # An hour that the clocks leave out does not come.
                if time > moment and time.astimezone(self.zone).replace(tzinfo=None) == local:
                    return time
        return None


Schedule = Every | Calendar


def zone_of(name: str | None) -> tzinfo:
    """A time zone by name; UTC without one. Raises BadSchedule."""
    if not name:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSchedule(f"unknown time zone {name}") from error


def parse(text: str, zone: tzinfo = UTC) -> Schedule:
    """Read a schedule. Raises BadSchedule."""
    if text.startswith("@every "):
        return _every(text)
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise BadSchedule(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    fields = text.split()
    if not fields:
        raise BadSchedule("empty spec string")
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minute, hour, day, month, weekday = fields
    return Calendar(
        minutes=_field(minute, 0, 59),
        hours=_field(hour, 0, 23),
        days=_field(day, 1, 31),
        months=_field(month, 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
        weekdays=_field(weekday, 0, 6, {name: number for number, name in enumerate(_DAYS)}),
        any_day=_is_star(day) or _is_star(weekday),
        zone=zone,
    )


def _every(text: str) -> Every:
    given = text.removeprefix("@every ")
    if not _DURATION.fullmatch(given):
        raise BadSchedule(f'failed to parse duration {text}: time: invalid duration "{given}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(given))
    return Every(int(min(max(1.0, seconds), _LONGEST)))


def _is_star(field: str) -> bool:
    # A star with a step is a list of days like any other.
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


def _field(text: str, least: int, most: int, names: Mapping[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found.update(_range(part, least, most, names or {}))
    return frozenset(found)


def _range(part: str, least: int, most: int, names: Mapping[str, int]) -> Sequence[int]:
    span, *steps = part.split("/")
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {part}")
    ends = span.split("-")
    if len(ends) > 2:
        raise BadSchedule(f"too many hyphens: {part}")
    if ends[0] in ("*", "?"):
        first, last = least, most
    else:
        first = _number(ends[0], names)
        # `5/15` goes on to the end of the range.
        last = _number(ends[1], names) if len(ends) == 2 else (most if steps else first)
    step = _number(steps[0], {}) if steps else 1
    if first < least:
        raise BadSchedule(f"beginning of range ({first}) below minimum ({least}): {part}")
    if last > most:
        raise BadSchedule(f"end of range ({last}) above maximum ({most}): {part}")
    if first > last:
        raise BadSchedule(f"beginning of range ({first}) beyond end of range ({last}): {part}")
    if step == 0:
        raise BadSchedule(f"step of range should be a positive number: {part}")
    return range(first, last + 1, step)


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number < 0:
        raise BadSchedule(f"negative number ({number}) not allowed: {text}")
    return number
