"""Who holds the learner's connections to the API does not hold ours."""

import asyncio

from sandbox.cluster.apiserver import listener
from sandbox.cluster.apiserver.listener import Listener
from sandbox.cluster.apiserver.messages import Response


async def hello(_request):
    return Response(body=b"hello")


async def asked(reader, writer):
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(5):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_our_own_processes_are_answered_when_the_learner_has_taken_every_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "CONNECTIONS", 0)
    server = Listener(hello)
    await server.listen_unix(tmp_path / "api.sock")
    assert (await asked(*await asyncio.open_unix_connection(tmp_path / "api.sock"))).endswith(b"hello")
    await server.close()


async def test_our_own_are_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "_OWN_CONNECTIONS", 0)
    server = Listener(hello)
    await server.listen_unix(tmp_path / "api.sock")
    assert await asked(*await asyncio.open_unix_connection(tmp_path / "api.sock")) == b""
    await server.close()
