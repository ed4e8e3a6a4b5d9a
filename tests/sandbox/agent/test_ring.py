from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.agent.ring import Ring

chunks = st.lists(st.binary(max_size=50), max_size=60)


@given(chunks, st.integers(1, 200), st.integers(0, 3000), st.integers(0, 300))
def test_it_gives_back_exactly_what_was_printed(pieces: list[bytes], capacity: int, offset: int, most: int) -> None:
    ring = Ring(capacity)
    for piece in pieces:
        ring.add(piece)
    printed = b"".join(pieces)
    assert ring.end == len(printed)
    if ring.start <= offset <= ring.end:
        assert ring.read(offset, most) == printed[offset : offset + most]
    else:
        with pytest.raises(IndexError):
            ring.read(offset, most)


@given(chunks, st.integers(1, 200))
def test_it_holds_no_more_than_its_capacity_and_one_chunk(pieces: list[bytes], capacity: int) -> None:
    ring = Ring(capacity)
    for piece in pieces:
        ring.add(piece)
        assert ring.end - ring.start <= max([capacity, *map(len, pieces)])


def test_a_replay_begins_at_a_whole_line_once_something_fell_out() -> None:
    ring = Ring(10)
    ring.add(b"first line\n")
    assert ring.oldest_line() == 0
    ring.add(b"second\nthird")
    assert ring.read(ring.oldest_line(), 100) == b"third"


def test_without_any_newline_a_replay_is_all_there_is() -> None:
    ring = Ring(4)
    ring.add(b"abcd")
    ring.add(b"efgh")
    assert ring.read(ring.oldest_line(), 100) == b"efgh"
