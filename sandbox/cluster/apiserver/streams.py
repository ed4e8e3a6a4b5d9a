"""Exec, attach and port-forward: an HTTP request that becomes several byte streams, over WebSocket or SPDY.

What the HTTP server calls; the wire formats are in `websocket` and `spdy`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.kubelet.runtime import Process


@dataclass(frozen=True)
class Upgrade:
    """A request that asks to leave HTTP, with the connection it came on."""

    method: str
    headers: Sequence[tuple[str, str]]
    """In the order of the request; names in any case."""
    query: Mapping[str, Sequence[str]]
    """As `urllib.parse.parse_qs(…, keep_blank_values=True)` gives it."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    early: bytes = b""
    """What the HTTP parser had already read beyond the request (`h11.Connection.trailing_data`)."""


async def serve_process(upgrade: Upgrade, start: Callable[[], Awaitable[Process]]) -> None:
    """Answer exec or attach until the process ends or the client leaves.

    `start` runs the command (`container.exec(…)` or `container.attach(…)`); which streams it has is the query's
    (`stdin`, `stdout`, `stderr`, `tty`). Raises ApiError before anything was written when it is no upgrade;
    StartError from `start` reaches the client on the error stream. Closes the writer.
    """
    raise NotImplementedError


async def serve_portforward(
    upgrade: Upgrade, dial: Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
) -> None:
    """Answer port-forward until the client leaves.

    `dial` connects to a port of the pod; its OSError reaches the client on that connection's error stream.
    Raises ApiError before anything was written when the request cannot be upgraded. Closes the writer.
    """
    raise NotImplementedError
