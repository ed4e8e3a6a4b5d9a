"""HTTP as it comes from strangers: on a real socket, with everything they may get wrong."""

import asyncio
import contextlib

import pytest

from sandbox.cluster.apiserver import connection
from sandbox.cluster.apiserver.connection import Connection
from sandbox.cluster.apiserver.messages import Response, Takeover
from sandbox.cluster.apiserver.room import Room


@contextlib.asynccontextmanager
async def served(handler, tmp_path):
    """A client's reader and writer to a server with that handler."""
    ended = asyncio.Event()
    room = Room(size=400_000)

    async def accept(reader, writer):
        await Connection(reader, writer, handler, user=None, room=room).serve()
        ended.set()

    server = await asyncio.start_unix_server(accept, tmp_path / "socket")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    async with server, asyncio.timeout(10):
        yield reader, writer
        writer.close()
        await ended.wait()


async def echo(request):
    return Response(body=f"{request.method} {request.path} {request.parameter('q')} {len(request.body)}".encode())


async def answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length"))
    return head, await reader.readexactly(int(length.split(":")[1]))


async def test_several_requests_on_one_connection(tmp_path):
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(b"GET /a%20b?q=%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert (await answer(reader))[1].decode() == "GET /a b é 0"
        assert (await answer(reader))[1] == b"POST /c  3"


async def test_a_chunked_body_and_expect_continue(tmp_path):
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"3\r\nabc\r\n0\r\n\r\n")
        assert (await answer(reader))[1] == b"POST /c  3"


async def test_head_has_no_body(tmp_path):
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert (await answer(reader))[1] == b"GET /b  0"


async def test_a_body_that_is_too_large_is_refused_and_the_connection_closed(tmp_path):
    async with served(echo, tmp_path) as (reader, writer):
        size = connection.BODY_LIMIT + 1
        writer.write(b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        head, body = await answer(reader)
        assert head.startswith("http/1.1 413")
        assert b"RequestEntityTooLarge" in body
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"A" * 100_000],
)
async def test_garbage_is_answered_with_400_or_nothing(tmp_path, garbage):
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(garbage)
        received = await reader.read()
        assert received == b"" or b" 400 " in received.splitlines()[0] or b" 431 " in received.splitlines()[0]


async def test_a_path_that_is_no_text_is_refused(tmp_path):
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0].startswith("http/1.1 400")


async def test_a_client_that_sends_half_a_request_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_REQUEST_SECONDS", 0.05)
    async with served(echo, tmp_path) as (reader, writer):
        writer.write(b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        assert await reader.read() == b""


class Endless:
    """A stream that never ends by itself."""

    def __init__(self):
        self.closed = asyncio.Event()
        self.first = True

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.first:
            self.first = False
            return b"line\n"
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(self):
        self.closed.set()


async def test_a_stream_ends_when_the_client_leaves(tmp_path):
    stream = Endless()

    async def handler(_request):
        return Response(stream=stream)

    async with served(handler, tmp_path) as (reader, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"transfer-encoding: chunked" in (await reader.readuntil(b"\r\n\r\n")).lower()
        assert await reader.readuntil(b"line\n\r\n") == b"5\r\nline\n\r\n"
        writer.close()
        await stream.closed.wait()


async def test_a_takeover_gets_the_connection_with_what_was_sent_ahead(tmp_path):
    async def run(upgrade):
        rest = await upgrade.reader.readexactly(len(b"earlylate") - len(upgrade.early))
        upgrade.writer.write(b"mine now: " + upgrade.early + rest)
        upgrade.writer.close()

    async def handler(_request):
        return Takeover(run)

    async with served(handler, tmp_path) as (reader, writer):
        writer.write(b"GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        await writer.drain()
        writer.write(b"late")
        assert await reader.read() == b"mine now: earlylate"


async def large(_request):
    return Response(body=b"0123456789" * 300_000)


async def test_a_large_answer_arrives_whole(tmp_path):
    async with served(large, tmp_path) as (reader, writer):
        writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[1] == b"0123456789" * 300_000


async def test_slow_readers_of_large_answers_do_not_fill_the_memory(tmp_path):
    async with served(large, tmp_path) as (_reader, writer):
        writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")  # and nothing of it is read
        async with asyncio.timeout(5):
            refused = b""
            while b" 429 " not in refused:
                other, asking = await asyncio.open_unix_connection(tmp_path / "socket")
                asking.write(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
                refused = await other.readline()
                head = await other.readuntil(b"\r\n\r\n")
                asking.close()
        assert b"retry-after: 1" in head.lower()
        writer.transport.abort()
