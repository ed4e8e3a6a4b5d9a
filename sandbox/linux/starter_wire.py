"""The starter's wire: one JSON object a packet on a SEQPACKET unix socket, file descriptors beside it.

Requests carry a number `n`, answers the same number; they may come in any order, so that one connection can wait for
many containers at once. A packet is at most 128 KiB and carries at most four descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]

PACKET_BYTES = 128 * 1024
PACKET_FDS = 4


def send(connection: socket.socket, message: Object, fds: Sequence[int] = ()) -> None:
    """Send one packet. Raises BlockingIOError when the queue is full, ValueError when it is too big."""
    packet = json.dumps(message, separators=(",", ":")).encode()
    if len(packet) > PACKET_BYTES:
        raise ValueError("too much for one packet")
    socket.send_fds(connection, [packet], list(fds))


def receive(connection: socket.socket) -> tuple[Object, list[int]] | None:
    """The next packet, or None at the end. Raises BlockingIOError when there is none, ValueError for a bad one."""
    packet, fds, flags, _ = socket.recv_fds(connection, PACKET_BYTES + 1, PACKET_FDS, socket.MSG_CMSG_CLOEXEC)
    if not packet:
        return None
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("truncated")
        message = json.loads(packet)
        if not isinstance(message, dict):
            raise ValueError("not an object")
    except ValueError:
        for fd in fds:
            os.close(fd)
        raise
    return message, fds


class Link:
    """The client's end: `call` sends a request and waits for its answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[tuple[Object, list[int]]]] = {}
        self._unsent: deque[tuple[Object, list[int]]] = deque()
        self._closed = False
        self._loop.add_reader(connection.fileno(), self._readable)

    async def call(self, request: Object, fds: Sequence[int] = ()) -> tuple[Object, list[int]]:
        """The answer to `request` and its descriptors. Raises ConnectionError when the link is cut."""
        if self._closed:
            raise ConnectionResetError("the link is closed")
        self._number += 1
        number = self._number
        future: asyncio.Future[tuple[Object, list[int]]] = self._loop.create_future()
        self._waiting[number] = future
        try:
            self._send({"n": number, **request}, [os.dup(fd) for fd in fds])
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                _close_all(future.result()[1])  # it arrived in the same turn as the cancellation
            raise
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Cut the link; calls that wait fail with ConnectionError."""
        self._cut()

    def _send(self, message: Object, fds: list[int]) -> None:
        self._unsent.append((message, fds))
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            message, fds = self._unsent[0]
            try:
                send(self._connection, message, fds)
            except BlockingIOError:
                self._loop.add_writer(self._connection.fileno(), self._flush)
                return
            except ValueError as error:
                self._fail(message["n"], error)
            except OSError:
                self._cut()
                return
            self._unsent.popleft()
            _close_all(fds)
        self._loop.remove_writer(self._connection.fileno())

    def _fail(self, number: int, error: Exception) -> None:
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_exception(error)

    def _readable(self) -> None:
        while not self._closed:
            try:
                packet = receive(self._connection)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                packet = None
            if packet is None:
                self._cut()
                return
            answer, fds = packet
            future = self._waiting.get(answer.get("n", 0))
            if future is None or future.done():
                _close_all(fds)
            else:
                future.set_result((answer, fds))

    def _cut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        self._connection.close()
        while self._unsent:
            _close_all(self._unsent.popleft()[1])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the starter has cut the link"))


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
