"""The verb `events`: the state as it is, then everything that changes."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox.agent.cluster import Cluster
from sandbox.agent.conversation import Conversation
from sandbox.agent.happenings import Happenings
from sandbox.agent.picture import Painter
from sandbox.agent.terminals import Terminals

Object = dict[str, Any]

_ACTIVITY_SECONDS = 5.0


class Events:
    """Streams happenings to whoever asks."""

    def __init__(self, happenings: Happenings, terminals: Terminals, cluster: Cluster, painter: Painter) -> None:
        self._happenings = happenings
        self._terminals = terminals
        self._cluster = cluster
        self._painter = painter

    async def stream(self, conversation: Conversation, _: Object) -> None:
        """Tell until the client goes."""
        with self._happenings.listen() as queue, self._painter.watched():
            telling = asyncio.create_task(self._tell(conversation, queue))
            gone = asyncio.create_task(conversation.until_closed())
            try:
                done, _pending = await asyncio.wait({telling, gone}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (telling, gone):
                    task.cancel()
                await asyncio.gather(telling, gone, return_exceptions=True)

    async def _tell(self, conversation: Conversation, queue: asyncio.Queue[Object]) -> None:
        for event in self._now():
            await conversation.send(event)
        quiet_until = 0.0
        while True:
            event = await queue.get()
            if event["type"] == "activity":
                if event["at"] < quiet_until:
                    continue
                quiet_until = event["at"] + _ACTIVITY_SECONDS
            await conversation.send(event)

    def _now(self) -> list[Object]:
        terminals: list[Object] = [
            {
                "type": "terminal",
                "terminal": known["name"],
                **{key: known[key] for key in ("state", "command", "status")},
            }
            for known in self._terminals.descriptions()
            if known["state"] != "starting"
        ]
        events: list[Object] = [*terminals, {"type": "cluster", "state": self._cluster.state}]
        if self._painter.picture is not None:
            events.append(self._painter.picture)
        return events
