"""Sends events to the pages that are open, from any thread.

The in-memory channel layer belongs to the server's event loop: a plain `async_to_sync(group_send)` from a worker thread
puts into that loop's queues without waking it (measured: half a second late). So the server tells us its loop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from redis import RedisError

Object = dict[str, Any]

log = logging.getLogger(__name__)

_serving: list[asyncio.AbstractEventLoop] = []


def serve_on(loop: asyncio.AbstractEventLoop) -> None:
    """Note the loop that holds the sockets; called by the ASGI application."""
    if _serving != [loop]:
        _serving[:] = [loop]


def attempt_group(attempt_id: UUID | str) -> str:
    """The group of all sockets that show an attempt."""
    return f"attempt.{UUID(str(attempt_id)).hex}"


def publish(group: str, event: Object) -> None:
    """Send `event` to the group, without waiting. Lost when nobody listens or the layer is down: pages also poll."""
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "attempt.event", "event": event}
    if settings.MODE == "embedded":
        if _serving and not _serving[0].is_closed():
            asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _serving[0])
        return
    try:
        async_to_sync(layer.group_send)(group, message)
    except (OSError, RedisError) as error:
        log.warning("event %s not sent: %s", event.get("type"), error)


def publish_to_attempt(attempt_id: UUID | str, event: Object) -> None:
    """Send `event` to the pages of an attempt once the running transaction, if any, is committed."""
    transaction.on_commit(lambda: publish(attempt_group(attempt_id), event))
