"""Who may open a WebSocket: the exact origin, then hello and a single-use ticket, then a look every half minute.

A socket outlives a logout, cookies do not separate ports, and a hostile preview may be a sibling host: so the origin
must match in scheme, host *and* port, and the right to attach comes as a ticket in the first frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import timezone

from tutorials import access, tickets
from tutorials.bridge import PROTOCOL, BadMessage
from tutorials.models import Attempt

Object = dict[str, Any]

ENDED, EXPIRED, FORBIDDEN, BAD_MESSAGE, TOO_BIG, TRY_AGAIN = 4000, 4001, 4003, 4400, 4009, 4013
# Only 1000 and 3000 to 4999 are an application's to send: Daphne fails at 1009 or 1013, for which these stand.
MAX_TEXT = 4 * 1024
_CLOSE_REASONS = {ENDED: "ended", EXPIRED: "expired", FORBIDDEN: "forbidden", BAD_MESSAGE: "bad message"}
logger = logging.getLogger(__name__)


def origin_of(scope: Object) -> str | None:
    """The Origin header as the browser sent it; None unless there is exactly one."""
    found = [value for name, value in scope["headers"] if name == b"origin"]
    if len(found) != 1:
        return None
    try:
        return str(found[0].decode("ascii")).lower()
    except UnicodeDecodeError:
        return None


def allowed_origin(scope: Object, allowed: list[str]) -> bool:
    """Whether the page that opens this socket is served by one of these origins: scheme, host and port."""
    return origin_of(scope) in allowed


class Admitted(AsyncWebsocketConsumer):  # type: ignore[misc] # Channels has no types
    """A consumer that talks to nobody before they have shown a ticket, and stops when they may no longer."""

    ticket_within: ClassVar[float] = 10.0
    look_every: ClassVar[float] = 30.0
    max_input: ClassVar[int] = MAX_TEXT

    attempt: Attempt

    async def connect(self) -> None:
        """Refuse a foreign page before the upgrade; greet everybody else."""
        self.admitted = False
        self.tasks: list[asyncio.Task[None]] = []
        if not allowed_origin(self.scope, settings.ORIGINS):
            await self.close()
            return
        await self.accept()
        await self.send_object({"type": "hello", "protocol": PROTOCOL})
        self.own(self._expect_ticket())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Hand a frame to the subclass; a broken one ends the connection with the reason."""
        try:
            if bytes_data is not None:
                await self._receive_bytes(bytes_data)
            elif text_data is not None:
                await self._receive_text(text_data)
        except BadMessage as error:
            await self.end(BAD_MESSAGE, str(error))

    async def _receive_bytes(self, data: bytes) -> None:
        if not self.admitted:
            raise BadMessage("the first frame must be the ticket")
        if len(data) > self.max_input:
            await self.end(TOO_BIG, f"at most {self.max_input} bytes a frame")
            return
        await self.received_bytes(data)

    async def _receive_text(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            await self.end(TOO_BIG, f"at most {MAX_TEXT} characters a text frame")
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadMessage("not JSON") from error
        if not isinstance(message, dict):
            raise BadMessage("not a JSON object")
        if self.admitted:
            await self.received(message)
        else:
            await self._admit(message)

    async def _admit(self, message: Object) -> None:
        ticket = message.get("ticket")
        if message.get("type") != "ticket" or not isinstance(ticket, str):
            raise BadMessage("the first frame must be the ticket")
        attempt = await self._redeem(ticket)
        if attempt is None:
            await self.end(FORBIDDEN)
            return
        self.attempt = attempt
        self.admitted = True
        self.own(self._keep_looking())
        await self.welcome(message)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _redeem(self, ticket: str) -> Attempt | None:
        user, attempt_id = self.scope["user"], self.scope["url_route"]["kwargs"]["attempt_id"]
        if not tickets.redeem(
            ticket, user=user, attempt_id=attempt_id, origin=origin_of(self.scope) or "", now=timezone.now()
        ):
            return None
        return access.owned_attempt(user, attempt_id)

    async def _expect_ticket(self) -> None:
        await asyncio.sleep(self.ticket_within)
        if not self.admitted:
            await self.end(FORBIDDEN)

    async def _keep_looking(self) -> None:
        """A login that has ended meanwhile ends the socket."""
        allowed = database_sync_to_async(access.still_allowed)
        while True:
            await asyncio.sleep(self.look_every)
            session_key = self.scope["session"].session_key or ""
            if not await allowed(session_key, self.scope["user"].pk, self.attempt.pk):
                await self.end(FORBIDDEN)
                return

    # -- for subclasses ------------------------------------------------------------------------------------------------

    async def welcome(self, message: Object) -> None:
        """The ticket was good; `message` is the frame it came in."""
        raise NotImplementedError

    async def received(self, message: Object) -> None:
        """A control message."""
        raise NotImplementedError

    async def received_bytes(self, _data: bytes) -> None:
        """A binary frame."""
        raise BadMessage("no binary frames here")

    async def send_object(self, message: Object) -> None:
        """Send a control message."""
        await self.send(text_data=json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    async def send_bytes(self, data: bytes) -> None:
        """Send terminal bytes."""
        await self.send(bytes_data=data)

    async def end(self, code: int, reason: str = "") -> None:
        """Say why and close."""
        await self.send_object({"type": "closing", "code": code, "reason": reason or _CLOSE_REASONS.get(code, "")})
        await self.close(code=code)

    def own(self, work: Any) -> None:
        """Run `work` beside the socket, until it is done or the socket closes; a failure closes the socket."""
        self.tasks.append(asyncio.create_task(self._run(work)))

    async def _run(self, work: Any) -> None:
        try:
            await work
        except Exception:
            logger.exception("A WebSocket's task failed.")
            await self.end(TRY_AGAIN, "the site failed")

    async def disconnect(self, _code: int) -> None:
        """End what belongs to this socket."""
        current = asyncio.current_task()
        ending = [task for task in self.tasks if task is not current]
        for task in ending:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*ending, return_exceptions=True)

    async def attempt_event(self, message: Object) -> None:
        """A message of the attempt's group."""
