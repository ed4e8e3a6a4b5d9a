import asyncio

import pytest

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver.inbox import Inbox
from sandbox.cluster.apiserver.remote_command import (
    ERROR,
    RESIZE,
    STDIN,
    STDOUT,
    SUCCESS,
    Options,
    ended_with,
    run,
)
from sandbox.cluster.kubelet.runtime import StartError


class Client:
    """A session that keeps what it is sent."""

    def __init__(self):
        self.stdin, self.resizes = Inbox(), Inbox()
        self.output, self.status = b"", None

    async def send(self, channel, data):
        assert channel == STDOUT
        self.output += data

    async def finish(self, status):
        self.status = status


class Process:
    """A process that says one thing and ends when it is told to; `resized` is set at the third size."""

    def __init__(self, output=b"", code=0, *, ends=True):
        self.stdin = self.stderr = None
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_data(output)
        self.sizes, self.closed = [], False
        self.resized = asyncio.Event()
        self._code = asyncio.get_running_loop().create_future()
        if ends:
            self.stdout.feed_eof()
            self._code.set_result(code)

    async def wait(self):
        return await self._code

    def resize(self, columns, rows):
        self.sizes.append((columns, rows))
        if len(self.sizes) == 3:
            self.resized.set()

    async def close(self):
        self.closed = True


OUTPUT = Options(stdin=False, stdout=True, stderr=False, tty=False)


async def serve(process, client, *, attached=False, leaves=False):
    async def start():
        if isinstance(process, Exception):
            raise process
        return process

    gone = asyncio.Event()
    if leaves:
        gone.set()
    receiving = asyncio.create_task(gone.wait())
    try:
        async with asyncio.timeout(5):
            await run(client, start, OUTPUT, attached=attached, receiving=receiving)
    finally:
        receiving.cancel()


def test_options_name_the_channels():
    query = {"stdin": ["true"], "stdout": ["1"], "stderr": ["true"], "tty": ["true"]}
    options = Options.of(query)
    assert options == Options(stdin=True, stdout=True, stderr=False, tty=True)
    assert options.channels() == {ERROR, STDIN, STDOUT, RESIZE}
    with pytest.raises(BadRequest, match="at least 1 of stdin, stdout, stderr"):
        Options.of({"tty": ["true"]})


async def test_output_comes_before_the_status():
    client, process = Client(), Process(b"hello", 3)
    await serve(process, client)
    assert client.output == b"hello"
    assert client.status["reason"] == "NonZeroExitCode"
    assert client.status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert process.closed


async def test_attaching_succeeds_however_the_container_ends():
    client = Client()
    await serve(Process(code=3), client, attached=True)
    assert client.status == SUCCESS == ended_with(0)


async def test_a_failed_start_is_told():
    client = Client()
    await serve(StartError("no such thing"), client)
    assert client.status["message"] == ("Internal error occurred: error executing command in container: no such thing")


async def test_a_process_whose_client_leaves_is_closed():
    client, process = Client(), Process(ends=False)
    await serve(process, client, leaves=True)
    assert process.closed
    assert client.status is None


async def test_sizes_are_taken_from_any_pieces_and_nonsense_is_not():
    client, process = Client(), Process(ends=False)
    serving = asyncio.create_task(serve(process, client))
    for piece in (b'{"Width":80,"Hei', b'ght":24}\n{"Width":100,"Height":30}', b'{"Width":-1,"Height":"x"}[1]'):
        await client.resizes.put(piece)
    await client.resizes.put(b"!" * 2000)
    await client.resizes.put(b'{"Width":70,"Height":20}')
    client.resizes.end()
    async with asyncio.timeout(5):
        await process.resized.wait()
    assert process.sizes == [(80, 24), (100, 30), (70, 20)]
    process.stdout.feed_eof()
    process._code.set_result(0)
    await serving


async def test_output_held_open_by_another_process_is_not_waited_for():
    client, process = Client(), Process(b"done", ends=False)
    process._code.set_result(0)
    await serve(process, client)
    assert (client.output, client.status) == (b"done", SUCCESS)
