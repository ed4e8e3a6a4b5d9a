"""One client of the daemon: frames in, frames out, nothing ever waited for."""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable

from sandbox.launch import wire
from sandbox.launch.wire import Object

log = logging.getLogger(__name__)

_MOST_UNSENT = 8 << 20


class ClientLink:
    """Reads requests off a connection and calls `answer` for each; gone as soon as the connection is."""

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        answer: Callable[[ClientLink, Object], None],
    ) -> None:
        connection.settimeout(0)
        self._connection = connection
        self._selector = selector
        self._answer = answer
        self._received = bytearray()
        self._unsent = bytearray()
        self._open = True
        selector.register(connection, selectors.EVENT_READ, self._ready)

    def send(self, message: Object) -> None:
        """Send one frame as soon as the client takes it; nothing when the client is gone."""
        if not self._open:
            return
        self._unsent += wire.encode(message)
        self._flush()

    def _ready(self) -> None:
        self._flush()
        if self._open:
            self._read()

    def _read(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        self._received += data
        try:
            while self._open and (request := wire.take(self._received)) is not None:
                self._answer(self, request)
        except wire.BadFrame as error:
            log.warning("A client was cut off: %s.", error)
            self._close()

    def _flush(self) -> None:
        if not self._unsent:
            return
        try:
            sent = self._connection.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._close()
            return
        if len(self._unsent) > _MOST_UNSENT:
            self._close()
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        self._selector.modify(self._connection, wanted, self._ready)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._selector.unregister(self._connection)
            self._connection.close()
