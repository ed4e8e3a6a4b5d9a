import pytest

from sandbox.cluster.kubelet.backoff import BackOff, go_duration
from tests.sandbox.cluster.simulation import FakeClock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.835, "835ms"),
        (1.2, "1.2s"),
        (10, "10s"),
        (80, "1m20s"),
        (300, "5m0s"),
        (3661.5, "1h1m1.5s"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds, text):
    assert go_duration(seconds) == text


def test_each_failure_doubles_the_delay_up_to_the_longest():
    clock = FakeClock()
    back_off = BackOff(start=10, longest=300, clock=clock)
    delays = []
    for _ in range(7):
        now = clock.now().timestamp()
        assert back_off.left("c", now - 1000) == 0 or delays
        back_off.failed("c", now)
        delays.append(back_off.delay("c"))
        clock.step_to(clock.monotonic() + back_off.delay("c"))
    assert delays == [10, 20, 40, 80, 160, 300, 300]


def test_the_first_failure_need_not_wait():
    assert BackOff(start=10, longest=300, clock=FakeClock()).left("c", 0) == 0


def test_ten_quiet_minutes_reset_it():
    clock = FakeClock()
    back_off = BackOff(start=10, longest=300, clock=clock)
    back_off.failed("c", clock.now().timestamp())
    back_off.failed("c", clock.now().timestamp())
    clock.step_to(601)
    now = clock.now().timestamp()
    assert back_off.left("c", now) == 0
    back_off.failed("c", now)
    assert back_off.delay("c") == 10
