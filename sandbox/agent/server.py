"""Listens for the platform: one verb a connection, a bounded number of connections, every wait with an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sandbox import frames
from sandbox.agent.conversation import BadRequest, Conversation, Failed
from sandbox.linux.containers import ContainerError

Object = dict[str, Any]
Verb = Callable[[Conversation, Object], Awaitable[None]]

_CONNECTIONS = 64
_REQUEST_SECONDS = 10.0
_READ_LIMIT = 64 * 1024
_HEAR_OUT_SECONDS = 2.0


class Server:
    """Answers on the listening socket that the launcher made outside the sandbox."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = verbs
        self._open = 0

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_unix_server(self._connected, sock=listener, limit=_READ_LIMIT)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=frames.BYTES_LIMIT)
        conversation = Conversation(reader, writer)
        self._open += 1
        try:
            await self._converse(conversation)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await writer.wait_closed()

    async def _converse(self, conversation: Conversation) -> None:
        try:
            if self._open > _CONNECTIONS:
                await _refuse(conversation, _error("busy", "There are too many connections to this sandbox."))
                return
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await conversation.receive()
            if request is None:
                return
            await self._verb_of(request)(conversation, request if isinstance(request, dict) else {})
        except (BadRequest, frames.FrameError) as error:
            await _refuse(conversation, _error("request", str(error)))
        except (Failed, ContainerError) as error:
            await _refuse(conversation, _error("failed", str(error)))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - the top of a connection: the agent must go on
            traceback.print_exc()
            await _refuse(conversation, _error("failed", "Something in the sandbox went wrong."))

    def _verb_of(self, request: bytes | Object) -> Verb:
        if not isinstance(request, dict):
            raise BadRequest("the first frame must be a request")
        verb = self._verbs.get(str(request.get("verb")))
        if verb is None:
            raise BadRequest(f"there is no verb {str(request.get('verb'))[:40]!r}")
        return verb


async def _refuse(conversation: Conversation, error: Object) -> None:
    """Send the error and hear the client out for a moment: a cut while it still sends could lose what we said."""
    await conversation.send(error)
    conversation.writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HEAR_OUT_SECONDS):
            while await conversation.reader.read(_READ_LIMIT):
                pass


def _error(kind: str, message: str) -> Object:
    return {"type": "error", "kind": kind, "message": message[:2000]}
