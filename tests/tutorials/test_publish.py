from __future__ import annotations

import asyncio
import threading
import uuid

import pytest
from channels.layers import channel_layers, get_channel_layer
from django.db import transaction

from tutorials import publish

ATTEMPT = uuid.UUID(int=7)
GROUP = publish.attempt_group(ATTEMPT)
EVENT = {"type": "left"}


async def test_an_event_from_a_worker_thread_arrives_at_once() -> None:
    channel_layers.backends.clear()
    layer = get_channel_layer()
    publish.serve_on(asyncio.get_running_loop())
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    threading.Thread(target=publish.publish, args=(GROUP, EVENT)).start()
    # Nothing else wakes this loop: a send that does not wake it would arrive only at the deadline.
    async with asyncio.timeout(1.0):
        assert await layer.receive(channel) == {"type": "attempt.event", "event": EVENT}


def test_without_a_server_an_event_goes_nowhere() -> None:
    publish._serving.clear()
    publish.publish(GROUP, EVENT)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_told(events: list[object]) -> None:
    class Undo(Exception):
        pass

    def tell_and_fail() -> None:
        publish.publish_to_attempt(ATTEMPT, EVENT)
        raise Undo

    with pytest.raises(Undo), transaction.atomic():
        tell_and_fail()
    assert events == []
    with transaction.atomic():
        publish.publish_to_attempt(ATTEMPT, EVENT)
        assert events == []
    assert events == [(GROUP, EVENT)]
