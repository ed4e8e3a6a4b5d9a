from datetime import UTC, datetime, timedelta

import pytest

from sandbox.cluster.api.cron import BadSchedule, parse, zone_of

MONDAY = datetime(2026, 11, 23, 16, 59, 25, tzinfo=UTC)


def next_times(schedule, count=1, *, after=MONDAY, zone=None):
    found, moment = [], after
    for _ in range(count):
        moment = parse(schedule, zone_of(zone)).after(moment)
        found.append(moment.strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", ["11-23 17:00", "11-23 17:01"]),
        ("*/15 * * * *", ["11-23 17:00", "11-23 17:15"]),
        ("5/20 * * * *", ["11-23 17:05", "11-23 17:25"]),
        ("0 9-17/4 * * *", ["11-23 17:00", "11-24 09:00"]),
        ("30 8 * * mon-wed", ["11-24 08:30", "11-25 08:30"]),
        ("0 0 1,15 JAN,dec *", ["12-01 00:00", "12-15 00:00"]),
        ("0 0 13 * 5", ["11-27 00:00", "12-04 00:00"]),
        ("0 0 13 * *", ["12-13 00:00", "01-13 00:00"]),
        ("0 0 */10 * 2", ["11-24 00:00", "12-01 00:00"]),
        ("0 0 */10 * *", ["12-01 00:00", "12-11 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
        ("@hourly", ["11-23 17:00", "11-23 18:00"]),
        ("@daily", ["11-24 00:00", "11-25 00:00"]),
        ("@weekly", ["11-29 00:00", "12-06 00:00"]),
        ("@every 1h30m", ["11-23 18:29", "11-23 19:59"]),
    ],
)
def test_next_times(schedule, expected):
    assert next_times(schedule, 2) == expected


def test_a_day_that_does_not_come_never_comes():
    assert parse("0 0 30 2 *").after(MONDAY) is None


def test_the_next_time_is_later_than_the_moment():
    exactly = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    assert parse("* * * * *").after(exactly) == exactly + timedelta(minutes=1)


@pytest.mark.skipif(not __import__("zoneinfo").available_timezones(), reason="no time zones here")
def test_zones_and_their_summer_time():
    assert next_times("0 9 * * *", zone="Asia/Seoul") == ["11-24 00:00"]
    # On this Sunday Berlin has no 02:30.
    assert next_times("30 2 * * *", after=datetime(2026, 3, 28, 12, tzinfo=UTC), zone="Europe/Berlin") == [
        "03-30 00:30"
    ]


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("* * * *", r"expected exactly 5 fields, found 4: \[\* \* \* \*\]"),
        ("60 * * * *", r"end of range \(60\) above maximum \(59\): 60"),
        ("* * 0 * *", r"beginning of range \(0\) below minimum \(1\): 0"),
        ("5-1 * * * *", r"beginning of range \(5\) beyond end of range \(1\): 5-1"),
        ("*/0 * * * *", r"step of range should be a positive number: \*/0"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * * * 7", r"end of range \(7\) above maximum \(6\): 7"),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_what_is_no_schedule(schedule, why):
    with pytest.raises(BadSchedule, match=why):
        parse(schedule)


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc/passwd", "\0"])
def test_unknown_zones(name):
    with pytest.raises(BadSchedule, match="unknown time zone"):
        zone_of(name)
