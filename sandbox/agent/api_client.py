"""A small HTTP client for the cluster's own unix socket: one request a connection, JSON, watches as lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11

Object = dict[str, Any]

_READ_BYTES = 64 * 1024
_BODY_BYTES = 64 * 1024 * 1024
_SECONDS = 10.0


class ApiClient:
    """Speaks to the API server as cluster admin."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    async def request(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        """Status and decoded answer; one that is no JSON object is an object with `text`.

        Raises OSError while nothing answers.
        """
        try:
            async with asyncio.timeout(_SECONDS), self._exchange(method, path, body) as (status, chunks):
                content = bytearray()
                async for chunk in chunks:
                    content += chunk
                    if len(content) > _BODY_BYTES:
                        raise OSError("the answer is too big")
        except (TimeoutError, h11.ProtocolError) as error:
            raise OSError("the API server does not answer") from error
        answer = bytes(content)
        return status, _object(answer) or {"text": answer.decode(errors="replace")}

    async def watch(self, path: str) -> AsyncIterator[Object]:
        """The events of a watch, until the server ends it. Raises OSError when it cannot be had."""
        try:
            async with self._exchange("GET", path, None) as (status, chunks):
                if status != 200:
                    raise OSError(f"the watch was answered with {status}")
                rest = b""
                async for chunk in chunks:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield _object(line)
        except h11.ProtocolError as error:
            raise OSError("the watch broke") from error

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, body: Object | None
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        try:
            connection = h11.Connection(h11.CLIENT)
            payload = b"" if body is None else json.dumps(body).encode()
            headers = [("Host", "cluster"), ("Accept", "application/json"), ("Content-Length", str(len(payload)))]
            if body is not None:
                headers.append(("Content-Type", _content_type(method)))
            writer.write(connection.send(h11.Request(method=method, target=path, headers=headers)) or b"")
            if payload:
                writer.write(connection.send(h11.Data(payload)) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            async with asyncio.timeout(_SECONDS):
                response = await _next(connection, reader)
            if not isinstance(response, h11.Response):
                raise OSError("the API server closed the connection")
            yield response.status_code, _body(connection, reader)
        finally:
            writer.close()


async def _body(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while isinstance(event := await _next(connection, reader), h11.Data):
        yield bytes(event.data)


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA and not isinstance(event, h11.InformationalResponse):
            return event
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))


def _content_type(method: str) -> str:
    return "application/merge-patch+json" if method == "PATCH" else "application/json"


def _object(content: bytes) -> Object:
    try:
        decoded = json.loads(content)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
