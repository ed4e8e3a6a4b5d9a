"""One HTTP/1.1 connection: h11 parses, everything has a size and a deadline."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import parse_qs, unquote

import h11

from sandbox.cluster.api.errors import ApiError, BadRequest, TooLarge, TooManyRequests
from sandbox.cluster.apiserver.formats import status_response
from sandbox.cluster.apiserver.messages import Handler, Request, Response, Stream, Takeover, User
from sandbox.cluster.apiserver.room import SMALL, Room
from sandbox.cluster.apiserver.streams import Upgrade

log = logging.getLogger(__name__)

BODY_LIMIT = 3 * 1024 * 1024
_HEAD_LIMIT = 64 * 1024
_IDLE_SECONDS = 120.0
"""Between two requests on a connection."""
_REQUEST_SECONDS = 30.0
"""For the rest of a request once it has begun."""
_SEND_SECONDS = 30.0
"""For a client to take what it is sent."""
_AHEAD_LIMIT = 64 * 1024
"""What a client may send while its request is still being answered."""


class _Closed(Exception):
    """The client is gone."""


class Connection:
    """Serves requests, one after the other, until either side closes."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        *,
        user: User | None,
        room: Room,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._user = user
        self._room = room
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)

    async def serve(self) -> None:
        """Answer until the connection ends; a client's misbehaviour is no error of ours."""
        try:
            while await self._one():
                self._http.start_next_cycle()
        except (_Closed, ConnectionError, TimeoutError):
            log.debug("connection ended")
        except h11.RemoteProtocolError as error:
            await self._refuse(error)
        finally:
            self._writer.close()

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = str(error).encode()
        try:
            head = h11.Response(
                status_code=error.error_status_hint,
                headers=[("content-length", str(len(body))), ("connection", "close")],
            )
            await self._send(head, h11.Data(data=body), h11.EndOfMessage())
        except (OSError, TimeoutError, h11.LocalProtocolError):
            log.debug("could not tell a client about its malformed request")

    async def _one(self) -> bool:
        head = await self._event(_IDLE_SECONDS)
        if not isinstance(head, h11.Request):
            return False
        request: Request | None = None
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                body = await self._body()
            request = _request(head, body, self._user)
            response = await self._handler(request)
        except ApiError as error:
            response = status_response(error)
        if isinstance(response, Takeover) and request is not None:
            await self._hand_over(response, request)
            return False
        assert isinstance(response, Response)
        await self._respond_in_room(response, head_only=head.method == b"HEAD")
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _event(self, seconds: float) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event) or event is h11.PAUSED:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            async with asyncio.timeout(seconds):
                self._http.receive_data(await self._reader.read(65536))

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._event(_REQUEST_SECONDS)
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if not isinstance(event, h11.Data):
                raise _Closed
            parts.append(bytes(event.data))
            size += len(event.data)
            if size > BODY_LIMIT:
                raise TooLarge(BODY_LIMIT)

    async def _respond_in_room(self, response: Response, *, head_only: bool) -> None:
        try:
            with self._room.hold(len(response.body)):
                await self._respond(response, head_only=head_only)
        except TooManyRequests as error:
            await self._respond(status_response(error), head_only=head_only)

    async def _respond(self, response: Response, *, head_only: bool) -> None:
        headers = [("cache-control", "no-cache, private"), ("content-type", response.content_type), *response.headers]
        if response.stream is None:
            headers.append(("content-length", str(len(response.body))))
        if self._http.their_state is h11.SEND_BODY:
            headers.append(("connection", "close"))
        head = h11.Response(status_code=response.status, headers=headers)
        if response.stream is not None and head_only:
            await response.stream.aclose()
        if response.stream is not None and not head_only:
            await self._send(head)
            await self._stream(response.stream)
            await self._send(h11.EndOfMessage())
        elif len(response.body) > SMALL and not head_only:
            await self._send(head)
            await self._send_in_slices(response.body)
        elif response.body and not head_only:
            await self._send(head, h11.Data(data=response.body), h11.EndOfMessage())
        else:
            await self._send(head, h11.EndOfMessage())

    async def _send_in_slices(self, body: bytes) -> None:
        """h11, TLS and the transport each keep a copy of what they are given: of a slice, not of a list of 60 MB."""
        for start in range(0, len(body), SMALL):
            await self._send(h11.Data(data=body[start : start + SMALL]))
        await self._send(h11.EndOfMessage())

    async def _stream(self, stream: Stream) -> None:
        """Send chunks until the stream ends or the client leaves, whichever is first."""
        sending = asyncio.ensure_future(self._send_chunks(stream))
        leaving = asyncio.ensure_future(self._until_client_leaves())
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise _Closed
            await sending
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await stream.aclose()

    async def _send_chunks(self, stream: Stream) -> None:
        async for chunk in stream:
            await self._send(h11.Data(data=chunk))

    async def _until_client_leaves(self) -> None:
        size = 0
        while size < _AHEAD_LIMIT:
            data = await self._reader.read(4096)
            if not data:
                return
            size += len(data)
            self._http.receive_data(data)

    async def _send(self, *events: h11.Event) -> None:
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        async with asyncio.timeout(_SEND_SECONDS):
            await self._writer.drain()

    async def _hand_over(self, takeover: Takeover, request: Request) -> None:
        early, _ = self._http.trailing_data
        upgrade = Upgrade(
            method=request.method,
            headers=request.headers,
            query=request.query,
            reader=self._reader,
            writer=self._writer,
            early=early,
        )
        try:
            await takeover.run(upgrade)
        except ApiError as error:
            # Raised before anything was written: this is still HTTP.
            await self._respond(status_response(error), head_only=False)


def _request(head: h11.Request, body: bytes, user: User | None) -> Request:
    target = head.target.decode("latin-1")
    path, _, query = target.partition("?")
    try:
        parameters = parse_qs(query, keep_blank_values=True, max_num_fields=1000)
        decoded = unquote(path, errors="strict")
    except ValueError as error:
        raise BadRequest(str(error)) from error
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in head.headers]
    return Request(head.method.decode("latin-1"), target, decoded, parameters, headers, body, user)
