"""Frames by hand: the protocol's corners, and bytes that no client of good will sends."""

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cluster.apiserver.spdy import SpdyConnection, SpdyError
from sandbox.cluster.apiserver.spdy_headers import Compressor, Decompressor


class Script:
    """A wire whose client says everything at once."""

    def __init__(self, *pieces):
        self.pieces, self.sent = list(pieces), b""

    async def read(self):
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data):
        self.sent += data

    def frames(self):
        """(type or None for data, flags or stream number, payload)."""
        data, found = self.sent, []
        while data:
            first, second = struct.unpack(">II", data[:8])
            payload, data = data[8 : 8 + (second & 0xFFFFFF)], data[8 + (second & 0xFFFFFF) :]
            if first >> 31:
                found.append((first & 0xFFFF, second >> 24, payload))
            else:
                found.append((None, first, payload, second >> 24))
        return found


def control(kind, payload, flags=0, version=3):
    return struct.pack(">HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


def data(number, payload, *, last=False):
    return struct.pack(">II", number, (1 if last else 0) << 24 | len(payload)) + payload


def opening(compressor, number, headers, flags=0):
    return control(1, struct.pack(">IIH", number, 0, 0) + compressor.block(headers), flags)


async def run(*pieces):
    wire, streams = Script(*pieces), []

    async def opened(stream):
        streams.append(stream)

    connection = SpdyConnection(wire, opened)
    async with asyncio.timeout(5):
        await connection.run()
    return wire, streams


async def contents(stream):
    parts = []
    while part := await stream.inbox.get():
        parts.append(part)
    return b"".join(parts)


async def test_streams_are_opened_answered_and_read():
    out = Compressor()
    bytes_ = opening(out, 1, {"streamType": "stdin"}) + opening(out, 3, {"streamType": "error"})
    wire, streams = await run(bytes_ + data(1, b"ab") + data(1, b"c", last=True) + data(9, b"nobody's"))
    assert [stream.headers for stream in streams] == [{"streamtype": "stdin"}, {"streamtype": "error"}]
    assert await contents(streams[0]) == b"abc"
    replies = [frame for frame in wire.frames() if frame[0] == 2]
    assert [struct.unpack(">I", frame[2][:4])[0] for frame in replies] == [1, 3]
    into = Decompressor()
    assert [into.headers(frame[2][4:]) for frame in replies] == [{}, {}]


async def test_one_byte_at_a_time_is_the_same():
    frames = opening(Compressor(), 1, {"a": "b"}) + data(1, b"xyz", last=True)
    _, (stream,) = await run(*(frames[at : at + 1] for at in range(len(frames))))
    assert await contents(stream) == b"xyz"


async def test_large_writes_are_cut_and_closed_once():
    wire, (stream,) = await run(opening(Compressor(), 1, {}))
    wire.sent = b""
    stream._open = True  # the client has left; what would be sent is what counts here
    await stream.write(bytes(100_000))
    await stream.close()
    await stream.close()
    await stream.write(b"late")
    frames = wire.frames()
    assert sum(len(frame[2]) for frame in frames) == 100_000
    assert max(len(frame[2]) for frame in frames) <= 32 * 1024
    assert [frame[3] for frame in frames] == [0, 0, 0, 0, 1]


async def test_pings_are_answered_and_updates_ignored():
    ping = control(6, struct.pack(">I", 7))
    wire, _ = await run(
        ping + control(9, struct.pack(">II", 0, 5)) + control(4, b"\0\0\0\0") + control(7, bytes(8)) + ping
    )
    assert wire.frames() == [(6, 0, struct.pack(">I", 7))]


async def test_a_reset_ends_a_stream():
    _, (stream,) = await run(opening(Compressor(), 1, {}) + data(1, b"x") + control(3, struct.pack(">II", 1, 5)))
    assert await contents(stream) == b"x"
    assert stream.done


async def test_too_many_streams_are_refused():
    out = Compressor()
    wire, streams = await run(b"".join(opening(out, 2 * n + 1, {}) for n in range(300)))
    assert len(streams) == 256
    assert sum(frame[0] == 3 for frame in wire.frames()) == 44


@pytest.mark.parametrize(
    "bytes_",
    [
        control(1, b"short"),
        control(1, bytes(10) + b"no zlib"),
        control(6, bytes(4), version=2),
        control(1, bytes(40_000)),
        opening(Compressor(), 2, {}),
        opening(Compressor(), 1, {"a": "x" * 1_000_000}),
        opening(Compressor(), 1, {f"h{n}": "x" for n in range(100)}),
    ],
)
async def test_nonsense_ends_the_connection(bytes_):
    with pytest.raises(SpdyError):
        await run(bytes_)


def test_a_bomb_of_headers_is_not_unpacked():
    block = Compressor().block({"a": "x" * 50_000_000})
    assert len(block) < 100_000
    with pytest.raises(Exception, match="too large"):
        Decompressor().headers(block)


@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(0, 12), st.binary(max_size=60))
def test_any_bytes_end_in_time(pieces, kind, payload):
    async def survive():
        for bytes_ in (b"".join(pieces), control(kind, payload), opening(Compressor(), 1, {}) + b"".join(pieces)):
            with contextlib.suppress(SpdyError):
                await run(bytes_)

    asyncio.run(survive())
