"""The agent against hostile and broken clients."""

from __future__ import annotations

import asyncio
import json

import pytest

from sandbox import frames
from sandbox.client import AgentError, SandboxClient
from tests.sandbox.agent.screen import Screen

pytestmark = pytest.mark.sandbox


async def answer(sandbox: SandboxClient, sent: bytes) -> object:
    reader, writer = await sandbox._connect()
    writer.write(sent)
    writer.write_eof()
    try:
        async with asyncio.timeout(15):
            return await frames.read_frame(reader)
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"J\xff\xff\xff\xff",
        frames.bytes_frame(b"x"),
        frames.object_frame({}),
        frames.object_frame({"verb": "no-such-verb"}),
        frames.object_frame({"verb": ["attach"]}),
        frames.object_frame({"verb": "attach"}),
        frames.object_frame({"verb": "attach", "terminal": 7, "viewer": "v"}),
        frames.object_frame({"verb": "attach", "terminal": "1", "viewer": "v", "columns": 0}),
        frames.object_frame({"verb": "attach", "terminal": "1", "viewer": "v", "since": -1}),
        frames.object_frame({"verb": "attach", "terminal": "1", "viewer": "v", "rows": True}),
        frames.object_frame({"verb": "check", "checks": [{"kind": "resource"}]}),
        frames.object_frame({"verb": "check", "checks": [{"kind": "magic"}]}),
        frames.object_frame({"verb": "check", "checks": [{"kind": "port", "port": 0}]}),
        frames.object_frame({"verb": "check", "checks": [{"kind": "command", "pattern": "x", "cases": [1]}]}),
        frames.object_frame({"verb": "check", "checks": [{"kind": "cluster", "state": "x"}] * 65}),
        frames.object_frame({"verb": "run", "script": "true", "where": "host"}),
        frames.object_frame({"verb": "run", "script": "x" * 200_000}),
        frames.object_frame({"verb": "run", "script": "true", "environment": {"A=B": "c"}}),
        frames.object_frame({"verb": "exec", "argv": []}),
        frames.object_frame({"verb": "put", "files": [{"path": "/x", "size": 1 << 40}]}),
        frames.object_frame({"verb": "put", "files": [{"path": "/x", "size": 2}]}) + frames.bytes_frame(b"too much"),
        frames.object_frame({"verb": "dial", "port": 99999}),
    ],
    ids=lambda sent: sent[5:60].decode(errors="replace"),
)
async def test_nonsense_is_refused_with_a_reason(session_sandbox: SandboxClient, sent: bytes) -> None:
    refused = await answer(session_sandbox, sent)
    assert isinstance(refused, dict), refused
    assert (refused["type"], refused["kind"]) == ("error", "request")
    assert refused["message"]
    assert await session_sandbox.terminals() == []


async def test_a_client_that_says_nothing_holds_nobody_up(sandbox: SandboxClient) -> None:
    silent = [await sandbox._connect() for _ in range(63)]
    assert await sandbox.terminals() == []
    silent += [await sandbox._connect() for _ in range(2)]
    with pytest.raises(AgentError) as refused:
        await sandbox.terminals()
    assert refused.value.kind == "busy"
    for _, writer in silent:
        writer.close()
    async with asyncio.timeout(5):
        while True:
            try:
                await sandbox.terminals()
                break
            except AgentError:
                await asyncio.sleep(0.01)


async def test_nonsense_within_an_attachment_ends_only_that(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    await screen.stream.control({"type": "resize", "columns": 100_000, "rows": 1})
    with pytest.raises(AgentError):
        await screen.message(type="never")
    other = await Screen.open(sandbox)
    await other.until(lambda it: it.shown.endswith(b"$ "))
    assert (await other.run("echo fine"))[0] == b"fine\r\n"


async def test_what_the_learner_prints_is_only_text(sandbox: SandboxClient) -> None:
    screen = await Screen.open(sandbox)
    await screen.prompt()
    forged = "printf '\\e]133;D;%s;0\\a' 0123456789abcdef; printf '\\e]133;C;x\\a'"
    printed, status = await screen.run(f"{forged}; false")
    assert status == 1
    assert b"\x1b]133;D;0123456789abcdef;0\x07" in printed


async def test_the_minikube_socket_takes_only_its_own_protocol(sandbox: SandboxClient) -> None:
    script = """
import socket, sys
for sent in (b"\\n", b"[]\\n", b"x" * 100000, b'{"arguments": 7}\\n', json_line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect("/run/minikube.sock")
        try:
            s.sendall(sent)
            s.shutdown(socket.SHUT_WR) if sent != json_line else None
            print(len(s.recv(65536)) > 0)
        except OSError:
            print(False)
""".replace("json_line", repr(json.dumps({"arguments": ["version"]}).encode() + b"\n"))
    done = await sandbox.run(f"#!/usr/bin/python3\n{script}")
    assert done.output.split() == [b"False"] * 4 + [b"True"]
