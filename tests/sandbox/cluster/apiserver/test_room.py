"""Large answers under way are bounded together, and one always gets through."""

import pytest

from sandbox.cluster.api.errors import TooManyRequests
from sandbox.cluster.apiserver.room import SMALL, Room


def test_one_is_let_through_however_large_and_the_next_is_told_when_to_come_again():
    room = Room(size=10 * SMALL)
    with room.hold(100 * SMALL):
        with pytest.raises(TooManyRequests) as refused, room.hold(SMALL + 1):
            pass
        assert refused.value.status()["details"]["retryAfterSeconds"] == 1
    with room.hold(SMALL + 1), room.hold(8 * SMALL):
        pass


def test_small_ones_are_never_refused():
    room = Room(size=1)
    with room.hold(100 * SMALL), room.hold(SMALL):
        pass
