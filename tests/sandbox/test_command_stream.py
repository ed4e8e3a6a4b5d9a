"""The client's half of `exec`, against an agent that says what the protocol allows, and what it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from sandbox import frames
from sandbox.backend import SandboxError
from sandbox.client import Size
from sandbox.command_stream import CommandStream

Agent = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connected(agent: Agent) -> tuple[CommandStream, asyncio.Task[None]]:
    """A stream to an agent in the same process."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)

    async def run() -> None:
        await agent(reader, writer)
        writer.close()

    return CommandStream(await asyncio.open_unix_connection(sock=ours)), asyncio.create_task(run())


def say(*messages: bytes | dict[str, object]) -> Agent:
    """An agent that reads the request and says these."""

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await frames.read_frame(reader)
        for message in messages:
            writer.write(frames.bytes_frame(message) if isinstance(message, bytes) else frames.object_frame(message))

    return agent


async def heard(stream: CommandStream) -> list[tuple[str, bytes]]:
    return [piece async for piece in stream.output()]


async def test_streams_are_told_apart_and_the_status_comes_last() -> None:
    stream, _ = await connected(
        say(
            {"type": "started"},
            b"one",
            {"type": "stream", "stream": "stderr"},
            b"two",
            {"type": "stream", "stream": "stdout"},
            b"three",
            {"type": "completed", "status": 7},
        )
    )
    await stream.start(["true"])
    assert await heard(stream) == [("stdout", b"one"), ("stderr", b"two"), ("stdout", b"three")]
    assert stream.status == 7


async def test_the_request_says_what_is_wanted() -> None:
    asked: list[object] = []

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await frames.read_frame(reader))
        writer.write(frames.object_frame({"type": "started"}))
        while (frame := await frames.read_frame(reader)) is not None:
            asked.append(frame)

    stream, task = await connected(agent)
    await stream.start(["sh", "-c", "x"], environment={"A": "b"}, tty=Size(100, 30))
    await stream.write(b"x" * 100_000)
    await stream.resize(Size(50, 10))
    await stream.signal(2)
    await stream.end_input()
    stream.close()
    await task
    request, first, second, *control = asked
    assert request == {
        "verb": "exec", "argv": ["sh", "-c", "x"], "environment": {"A": "b"}, "tty": True, "columns": 100, "rows": 30,
    }  # fmt: skip
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert len(first) + len(second) == 100_000
    assert control == [
        {"type": "resize", "columns": 50, "rows": 10},
        {"type": "signal", "signal": 2},
        {"type": "eof"},
    ]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([{"type": "error", "kind": "failed", "message": "No shell."}], "No shell."),
        ([], "did not start"),
        ([b"bytes first"], "did not start"),
        ([{"type": "started"}], "ended before the command"),
        ([{"type": "started"}, {"type": "error", "message": "Gone."}], "Gone."),
    ],
)
async def test_whatever_goes_wrong_is_a_sentence(messages: list[bytes | dict[str, object]], words: str) -> None:
    stream, _ = await connected(say(*messages))

    async def all_of_it() -> None:
        await stream.start(["true"])
        await heard(stream)

    with pytest.raises(SandboxError, match=words):
        await all_of_it()


async def test_nonsense_from_the_sandbox_is_no_status() -> None:
    stream, _ = await connected(say({"type": "started"}, {"type": "completed", "status": "fine"}))
    await stream.start(["true"])
    await heard(stream)
    assert stream.status == 1


async def test_typing_into_a_command_that_has_ended_is_no_error() -> None:
    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await frames.read_frame(reader)
        for message in ({"type": "started"}, {"type": "completed", "status": 0}):
            writer.write(frames.object_frame(message))
        while await reader.read(65536):
            pass

    stream, task = await connected(agent)
    await stream.start(["cat"])
    for _ in range(10):
        await stream.write(b"x" * 60_000)
    await heard(stream)
    assert stream.status == 0
    stream.close()
    await task
    await stream.write(b"too late")
