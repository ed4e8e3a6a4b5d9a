"""The two WebSockets of a page, opened as a browser does, and as an attacker would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sandbox.backend import SandboxGone
from sandbox.client import Event, Size, Verdict
from tests.tutorials.fakes import FakeBackend, FakeClient
from tutorials import backends, tickets
from tutorials.admission import BAD_MESSAGE, ENDED, EXPIRED, FORBIDDEN, TOO_BIG, TRY_AGAIN, Admitted
from tutorials.consumers import REPLACED
from tutorials.models import Attempt, PassedStep, Sandbox
from tutorials.publish import attempt_group
from tutorials.routing import websocket_urlpatterns

Object = dict[str, Any]
ORIGIN = "http://localhost:8000"


class Stream:
    """A terminal that echoes, and can be told to print."""

    def __init__(self, terminal: str, since: int | None) -> None:
        self.terminal = terminal
        self.offset = since or 0
        self.frames_to_send: asyncio.Queue[bytes | Object | None] = asyncio.Queue()
        self.frames_to_send.put_nowait({"type": "attached", "terminal": terminal, "offset": self.offset})
        self.told: list[Object] = []
        self.closed = False

    async def frames(self) -> AsyncIterator[bytes | Object]:
        while (frame := await self.frames_to_send.get()) is not None:
            yield frame

    async def write(self, data: bytes) -> None:
        self.frames_to_send.put_nowait(data)

    async def control(self, message: Object) -> None:
        self.told.append(message)

    async def close(self) -> None:
        self.closed = True


class TalkingClient(FakeClient):
    """A sandbox with terminals, events and verdicts."""

    def __init__(self, backend: FakeBackend, name: str) -> None:
        super().__init__(backend, name)
        self.attached: list[tuple[str, int | None, Size, str]] = []
        self.streams: list[Stream] = []
        self.happening: asyncio.Queue[Event] = asyncio.Queue()
        self.watched: list[Sequence[Object]] = []
        self.watchers: list[asyncio.Queue[Sequence[Verdict]]] = []
        self.verdicts: Sequence[Verdict] | None = None

    async def attach(self, terminal: str, *, since: int | None, size: Size, viewer: str, interactive: bool) -> Stream:
        await self._connect()
        self.attached.append((terminal, since, size, viewer))
        self.streams.append(Stream(terminal, since))
        return self.streams[-1]

    async def events(self) -> AsyncIterator[Event]:
        while True:
            yield await self.happening.get()

    async def watch(self, checks: Sequence[Object]) -> AsyncIterator[Sequence[Verdict]]:
        self.watched.append(checks)
        watcher: asyncio.Queue[Sequence[Verdict]] = asyncio.Queue()
        self.watchers.append(watcher)
        if self.verdicts is not None:
            yield self.verdicts
        while True:
            yield await watcher.get()

    def find(self, *verdicts: Verdict) -> None:
        """What the agent finds from now on."""
        self.verdicts = verdicts
        for watcher in self.watchers:
            watcher.put_nowait(verdicts)


@pytest.fixture
def client_of(running: Attempt, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> TalkingClient:
    """The one client through which the site speaks to the learner's sandbox."""
    found = TalkingClient(backend, Sandbox.objects.get().name)
    monkeypatch.setattr(backends, "client", lambda name: found)
    return found


@pytest.fixture
def cookie(learner: User) -> str:
    return _cookie(learner)


def _cookie(user: User) -> str:
    browser = Client()
    browser.force_login(user)
    return f"quayside_session={browser.cookies['quayside_session'].value}"


Opening = Callable[..., Awaitable[WebsocketCommunicator]]


@pytest.fixture
async def connect(cookie: str, settings: Any) -> AsyncIterator[Opening]:
    """Open a socket; the caller says what differs from an honest page."""
    settings.ORIGINS = [ORIGIN]
    application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
    opened: list[WebsocketCommunicator] = []

    async def open_socket(path: str, *, origin: str | None = ORIGIN, session: str = cookie) -> WebsocketCommunicator:
        headers = [(b"cookie", session.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        socket = WebsocketCommunicator(application, path, headers=headers)
        opened.append(socket)
        return socket

    yield open_socket
    for socket in opened:
        await socket.disconnect()


def terminal(attempt: Attempt, name: str = "1") -> str:
    return f"/ws/attempts/{attempt.pk}/terminals/{name}"


def events(attempt: Attempt) -> str:
    return f"/ws/attempts/{attempt.pk}/events"


async def ticket_for(attempt: Attempt, origin: str = ORIGIN) -> str:
    return str(await sync_to_async(tickets.issue)(attempt, origin=origin, now=timezone.now()))


async def told(socket: WebsocketCommunicator, kind: str) -> Object:
    """The next message of that type; others may come before it."""
    for _ in range(20):
        answer = await socket.receive_output(timeout=3)
        if answer.get("text"):
            message: Object = json.loads(answer["text"])
            if message["type"] == kind:
                return message
    raise AssertionError(f"no {kind}")


async def closed_with(socket: WebsocketCommunicator) -> int:
    for _ in range(20):
        answer = await socket.receive_output(timeout=3)
        if answer["type"] == "websocket.close":
            return int(answer["code"])
    raise AssertionError("not closed")


async def admitted(socket: WebsocketCommunicator, attempt: Attempt, **fields: Any) -> None:
    connected, _ = await socket.connect()
    assert connected
    assert await told(socket, "hello") == {"type": "hello", "protocol": 1}
    await socket.send_json_to({"type": "ticket", "ticket": await ticket_for(attempt), **fields})


async def attached(connect: Opening, attempt: Attempt, name: str = "1", **fields: Any) -> WebsocketCommunicator:
    socket = await connect(terminal(attempt, name))
    await admitted(socket, attempt, **({"columns": 80, "rows": 24, "viewer": "page"} | fields))
    await told(socket, "attached")
    return socket


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://localhost",
        "http://localhost:8001",
        "https://localhost:8000",
        "http://p-abc.localhost:8000",
        "http://localhost:8000.evil.test",
        "http://evil.test",
    ],
)
async def test_a_page_of_another_origin_is_refused_before_the_upgrade(
    connect: Opening, client_of: TalkingClient, running: Attempt, origin: str | None
) -> None:
    socket = await connect(terminal(running), origin=origin)
    connected, _ = await socket.connect()
    assert not connected


async def test_a_made_up_ticket_is_refused(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    socket = await connect(terminal(running))
    await socket.connect()
    await socket.send_json_to({"type": "ticket", "ticket": "made-up", "columns": 80, "rows": 24})
    assert await closed_with(socket) == 4003
    assert client_of.attached == []


async def test_a_ticket_works_once(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    ticket = await ticket_for(running)
    codes = []
    for _ in range(2):
        socket = await connect(terminal(running))
        await socket.connect()
        await socket.send_json_to({"type": "ticket", "ticket": ticket, "columns": 80, "rows": 24})
        codes.append("attached" if not codes else await closed_with(socket))
        if len(codes) == 1:
            await told(socket, "attached")
    assert codes == ["attached", 4003]


async def test_a_ticket_for_another_origin_is_refused(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await connect(terminal(running))
    await socket.connect()
    await socket.send_json_to({"type": "ticket", "ticket": await ticket_for(running, "http://localhost:9000")})
    assert await closed_with(socket) == 4003


async def test_a_strangers_attempt_is_refused(
    connect: Opening, client_of: TalkingClient, running: Attempt, stranger: User
) -> None:
    """Even with a ticket that was stolen from its owner."""
    socket = await connect(terminal(running), session=await sync_to_async(_cookie)(stranger))
    await socket.connect()
    await socket.send_json_to({"type": "ticket", "ticket": await ticket_for(running), "columns": 80, "rows": 24})
    assert await closed_with(socket) == 4003
    assert client_of.attached == []


async def test_who_says_nothing_is_not_waited_for(
    connect: Opening, client_of: TalkingClient, running: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Admitted, "ticket_within", 0.01)
    socket = await connect(terminal(running))
    await socket.connect()
    assert await closed_with(socket) == 4003


@pytest.mark.parametrize("frame", ["{", "[]", '"ticket"', '{"type": "resize"}', '{"type": "ticket", "ticket": 1}'])
async def test_anything_but_a_ticket_first_is_refused(
    connect: Opening, client_of: TalkingClient, running: Attempt, frame: str
) -> None:
    socket = await connect(terminal(running))
    await socket.connect()
    await socket.send_to(text_data=frame)
    assert await closed_with(socket) == 4400


async def test_typing_before_the_ticket_is_refused(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await connect(terminal(running))
    await socket.connect()
    await socket.send_to(bytes_data=b"rm -rf /\n")
    assert await closed_with(socket) == 4400


async def test_a_socket_does_not_outlive_the_login(
    connect: Opening, client_of: TalkingClient, running: Attempt, learner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Admitted, "look_every", 0.02)
    socket = await attached(connect, running)
    await sync_to_async(User.objects.filter(pk=learner.pk).update)(is_active=False)
    assert await closed_with(socket) == 4003


# -- a terminal --------------------------------------------------------------------------------------------------------


async def test_what_is_typed_reaches_the_terminal_and_comes_back(
    connect: Opening, client_of: TalkingClient, running: Attempt, learner: User
) -> None:
    socket = await attached(connect, running, "2", since=None, columns=100, rows=30)
    assert client_of.attached == [("2", None, Size(100, 30), f"{learner.pk}-page")]
    await socket.send_to(bytes_data="한글\n".encode())
    assert await socket.receive_from() == "한글\n".encode()


async def test_a_reconnecting_page_says_where_it_was(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    await attached(connect, running, since=12345)
    assert client_of.attached[0][1] == 12345


async def test_typing_counts_as_activity(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    socket = await attached(connect, running)
    before = (await sync_to_async(Sandbox.objects.get)()).last_activity
    await socket.send_to(bytes_data=b"x")
    await socket.receive_from()
    await socket.send_json_to({"type": "ping"})
    await told(socket, "pong")
    assert (await sync_to_async(Sandbox.objects.get)()).last_activity > before


async def test_an_oversized_frame_ends_the_connection_with_a_reason(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await attached(connect, running)
    await socket.send_to(bytes_data=b"x" * (64 * 1024 + 1))
    assert (await told(socket, "closing"))["code"] == 4009
    assert await closed_with(socket) == 4009


async def test_a_broken_message_ends_the_connection(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await attached(connect, running)
    await socket.send_json_to({"type": "resize", "columns": "wide", "rows": 1})
    assert await closed_with(socket) == 4400


async def test_an_ended_sandbox_is_told_from_a_broken_line(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await attached(connect, running)
    client_of.streams[0].frames_to_send.put_nowait(None)
    assert await closed_with(socket) == 4013, "the sandbox runs: come back"
    socket = await attached(connect, running)
    await sync_to_async(Sandbox.objects.update)(state="ended")
    client_of.streams[1].frames_to_send.put_nowait(None)
    assert await closed_with(socket) == 4001


async def test_without_a_sandbox_there_is_no_terminal(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    await sync_to_async(Sandbox.objects.update)(state="ended")
    socket = await connect(terminal(running))
    await admitted(socket, running, columns=80, rows=24)
    assert await closed_with(socket) == 4001


async def test_a_sandbox_that_vanished_is_said_to_have(
    connect: Opening, client_of: TalkingClient, running: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any, **__: Any) -> Stream:
        raise SandboxGone("It has ended.")

    monkeypatch.setattr(client_of, "attach", gone)
    socket = await connect(terminal(running))
    await admitted(socket, running, columns=80, rows=24)
    assert await closed_with(socket) == 4001


async def test_a_closed_terminal_and_a_replaced_page(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    for reason, code in (("closed", 4000), ("replaced", 4002)):
        socket = await attached(connect, running)
        client_of.streams[-1].frames_to_send.put_nowait({"type": "closed", "reason": reason})
        client_of.streams[-1].frames_to_send.put_nowait(None)
        assert await closed_with(socket) == code


async def test_leaving_closes_every_socket(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    socket = await attached(connect, running)
    other = await connect(events(running))
    await admitted(other, running)
    await told(other, "admitted")
    message = {"type": "attempt.event", "event": {"type": "left"}}
    await get_channel_layer().group_send(attempt_group(running.pk), message)
    assert await closed_with(socket) == 4003
    assert await closed_with(other) == 4003


async def test_a_disconnect_detaches(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    socket = await attached(connect, running)
    await socket.disconnect()
    assert client_of.streams[0].closed


# -- events ------------------------------------------------------------------------------------------------------------


async def test_the_page_hears_how_things_stand(connect: Opening, client_of: TalkingClient, running: Attempt) -> None:
    socket = await connect(events(running))
    await admitted(socket, running, language="ko", step="one")
    message = await told(socket, "admitted")
    assert message["number"] == 1
    assert message["state"]["sandbox"]["state"] == "ready"
    client_of.happening.put_nowait(Event("cluster", {"state": "running", "type": "forged"}))
    assert await told(socket, "cluster") == {"type": "cluster", "state": "running", "number": 2}


async def test_a_step_is_watched_recorded_and_explained(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await connect(events(running))
    await admitted(socket, running, language="en", step="one")
    client_of.find(Verdict(passed=False, reason="case:0", actual="<b>1</b>"))
    checks = (await told(socket, "verdicts"))["checks"]
    assert checks == [{"title": "Web runs", "passed": False, "hint": "Only <b>1</b>."}]
    assert client_of.watched[0][0]["resource"] == "deployments"
    client_of.find(Verdict(passed=True))
    assert (await told(socket, "verdicts"))["checks"][0]["passed"]
    assert await sync_to_async(list)(PassedStep.objects.values_list("step", flat=True)) == ["one"]


async def test_looking_at_another_step_watches_that(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await connect(events(running))
    await admitted(socket, running, step="one")
    await told(socket, "admitted")
    client_of.find(Verdict(passed=False, reason="absent"))
    await socket.send_json_to({"type": "step", "step": "three"})
    while (await told(socket, "verdicts"))["step"] != "three":
        """The step before is still watched for a moment."""
    assert (await sync_to_async(Attempt.objects.get)()).current_step == "three"


@pytest.mark.parametrize("message", [{"type": "step", "step": "no-such"}, {"type": "exec"}, {"type": "ack"}])
async def test_broken_messages_are_refused_here_too(
    connect: Opening, client_of: TalkingClient, running: Attempt, message: Object
) -> None:
    socket = await connect(events(running))
    await admitted(socket, running)
    await told(socket, "admitted")
    await socket.send_json_to(message)
    assert await closed_with(socket) == 4400


async def test_a_page_that_does_not_read_costs_a_fixed_amount(
    connect: Opening, client_of: TalkingClient, running: Attempt
) -> None:
    socket = await connect(events(running))
    await admitted(socket, running)
    await told(socket, "admitted")
    for place in range(60):
        client_of.happening.put_nowait(Event("picture", {"place": place}))
        await asyncio.sleep(0.002)
    await socket.send_json_to({"type": "ping"})
    pictures = []
    while (message := json.loads(await socket.receive_from()))["type"] != "pong":
        pictures.append(message["place"])
    assert pictures[-1] < 30, "sixteen unanswered messages, and then no more"
    await socket.send_json_to({"type": "ack", "number": 16})
    assert (await told(socket, "picture"))["place"] == 59


def test_every_close_code_is_one_that_an_application_may_send() -> None:
    for code in (ENDED, EXPIRED, FORBIDDEN, BAD_MESSAGE, TOO_BIG, TRY_AGAIN, REPLACED):
        assert 3000 <= code <= 4999, "Daphne raises instead of closing"
