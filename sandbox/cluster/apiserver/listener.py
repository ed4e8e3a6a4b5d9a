"""The sockets: TLS for kubectl, a unix socket without it for our own processes."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import ssl
from pathlib import Path

from sandbox.cluster.apiserver.connection import Connection
from sandbox.cluster.apiserver.messages import ADMIN, Handler, User
from sandbox.cluster.apiserver.room import Room

log = logging.getLogger(__name__)

CONNECTIONS = 512
"""At once: kubectl and its watches need a few each."""
_OWN_CONNECTIONS = 128
"""Of our own processes, counted apart: a learner who holds all the others open does not blind the checks."""
_HANDSHAKE_SECONDS = 10.0
_READ_BUFFER = 256 * 1024


class Listener:
    """Accepts connections and gives each a task of its own, which ends with the listener."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._own_tasks: set[asyncio.Task[None]] = set()
        self._room = Room()

    async def listen_tls(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Serve HTTPS on a listening socket; a client certificate says who the user is."""
        server = await asyncio.start_server(
            self._accept, sock=listener, ssl=context, ssl_handshake_timeout=_HANDSHAKE_SECONDS, limit=_READ_BUFFER
        )
        self._servers.append(server)

    async def listen_unix(self, path: Path) -> None:
        """Serve plain HTTP, as the cluster's admin, to whoever may open the socket: its owner."""
        server = await asyncio.start_unix_server(self._accept_admin, sock=_bind(path), limit=_READ_BUFFER)
        self._servers.append(server)

    async def close(self) -> None:
        """Stop listening and end what is being answered."""
        for server in self._servers:
            server.close()
        tasks = self._tasks | self._own_tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= CONNECTIONS:
            writer.close()
            return
        await self._serve(reader, writer, _certified(writer), self._tasks)

    async def _accept_admin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._own_tasks) >= _OWN_CONNECTIONS:
            writer.close()
            return
        await self._serve(reader, writer, ADMIN, self._own_tasks)

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        user: User | None,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await Connection(reader, writer, self._handler, user=user, room=self._room).serve()
        except Exception:
            log.exception("a connection failed")
        finally:
            tasks.discard(task)
            writer.close()


def _bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # Nobody else may connect, not even between bind and chmod.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    return listener


def _certified(writer: asyncio.StreamWriter) -> User | None:
    """The user of a client certificate: common name, and organisations as groups."""
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    name = next((value for key, value in pairs if key == "commonName"), "")
    groups = tuple(value for key, value in pairs if key == "organizationName")
    if not name:
        return None
    encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    credential = f"X509SHA256={hashlib.sha256(encoded).hexdigest()}"
    extra = {"authentication.kubernetes.io/credential-id": [credential]}
    return User(name, (*groups, "system:authenticated"), extra=extra)
