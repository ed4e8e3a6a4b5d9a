from __future__ import annotations

import asyncio

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator
from django.conf import settings

from tutorials import asgi, publish
from tutorials.threads import Threads

pytestmark = pytest.mark.django_db(transaction=True)
SOCKET = "/ws/attempts/00000000-0000-0000-0000-000000000000/events"


async def answers(path: str, *, method: str = "GET") -> int:
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": b"",
             "headers": [(b"host", b"localhost")]}  # fmt: skip
    request = ApplicationCommunicator(asgi.application, scope)
    await request.send_input({"type": "http.request", "body": b""})
    return int((await request.receive_output(10))["status"])


async def test_pages_are_served_and_the_loop_is_known() -> None:
    publish._serving.clear()
    assert await answers("/healthz") == 200
    assert publish._serving == [asyncio.get_running_loop()]


async def test_a_host_that_is_not_ours_is_refused() -> None:
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/", "query_string": b"",
             "headers": [(b"host", b"evil.example")]}  # fmt: skip
    request = ApplicationCommunicator(asgi.application, scope)
    await request.send_input({"type": "http.request", "body": b""})
    assert (await request.receive_output(10))["status"] == 400


@pytest.mark.parametrize("path", ["/readyz", "/attempts/x/check"])
async def test_what_waits_for_a_sandbox_holds_up_no_page(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        asgi, "_waiting", Threads(asgi.WAITING_THREADS)
    )  # a queue belongs to one loop, and so to a test
    async with asyncio.TaskGroup() as hung:
        held = asyncio.Event()

        async def hang() -> None:
            async with asgi._waiting.one():
                await held.wait()

        for _ in range(asgi.WAITING_THREADS):
            hung.create_task(hang())
        await asyncio.sleep(0)
        waiting = hung.create_task(answers(path))
        assert await answers("/healthz") == 200
        assert not waiting.done()
        held.set()


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [
        (settings.ORIGINS[0], True),
        ("http://localhost:9999", False),
        ("https://localhost:8000", False),
        ("http://p-abc.localhost:8000", False),
        ("null", False),
        ("", False),
    ],
)
async def test_only_our_own_pages_open_sockets(origin: str, welcome: bool) -> None:
    headers = [(b"origin", origin.encode())] if origin else []
    socket = WebsocketCommunicator(asgi.application, SOCKET, headers=headers)
    connected, _ = await socket.connect(timeout=10)
    assert connected is welcome
    await socket.disconnect()
