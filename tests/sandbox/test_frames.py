from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import frames


def read_all(data: bytes) -> list[object]:
    async def read() -> list[object]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        found: list[object] = []
        while (frame := await frames.read_frame(reader)) is not None:
            found.append(frame)
        return found

    return asyncio.run(read())


@given(st.lists(st.one_of(st.binary(max_size=100), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))))
def test_what_is_framed_is_read_back(messages: list[bytes | dict[str, str]]) -> None:
    data = b"".join(frames.bytes_frame(m) if isinstance(m, bytes) else frames.object_frame(m) for m in messages)
    assert read_all(data) == messages


@pytest.mark.parametrize(
    "hostile",
    [
        b"X" + struct.pack("!I", 0),
        b"B" + struct.pack("!I", 64 * 1024 + 1),
        b"J" + struct.pack("!I", 0xFFFFFFFF),
        b"J" + struct.pack("!I", 2) + b"[]",
        b"J" + struct.pack("!I", 1) + b"{",
        b"J" + struct.pack("!I", 2) + b"\xff\xff",
        b"J" + struct.pack("!I", 100_000) + b"[" * 100_000,
        b"B" + struct.pack("!I", 10) + b"short",
        b"B\0",
    ],
)
def test_a_hostile_frame_is_an_error(hostile: bytes) -> None:
    with pytest.raises(frames.FrameError):
        read_all(hostile)


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(frames.FrameError):
        read_all(data)


def test_too_much_for_a_frame_is_not_sent() -> None:
    with pytest.raises(frames.FrameError):
        frames.bytes_frame(b"x" * (64 * 1024 + 1))
    with pytest.raises(frames.FrameError):
        frames.object_frame({"x": "y" * (1 << 20)})
