"""The verbs `check` and `watch`: checks are evaluated when something happened, not only when somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from sandbox.agent.checks import Evaluator, Verdict, read_checks
from sandbox.agent.cluster import Cluster
from sandbox.agent.conversation import Conversation
from sandbox.agent.happenings import Happenings

Object = dict[str, Any]

_SETTLE_SECONDS = 0.05
"""What happens within this time is looked at once."""
_GAP_SECONDS = 0.2
_SCRIPT_GAP_SECONDS = 1.0
_POLL_SECONDS = 1.0
"""Ports open without telling anybody."""
_SCRIPT_POLL_SECONDS = 5.0
_RETRY_SECONDS = 0.5


class Checking:
    """Evaluates checks for clients."""

    def __init__(self, evaluator: Evaluator, cluster: Cluster, happenings: Happenings) -> None:
        self._evaluator = evaluator
        self._cluster = cluster
        self._happenings = happenings

    async def check(self, conversation: Conversation, request: Object) -> None:
        """Evaluate once."""
        await conversation.send(_message(await self._evaluator.evaluate(read_checks(request))))

    async def watch(self, conversation: Conversation, request: Object) -> None:
        """Evaluate now and each time that something happened; tell when a verdict changed, until the client goes."""
        checks = read_checks(request)
        trigger = asyncio.Event()
        trigger.set()
        paths = {
            (check["resource"], check.get("namespace", "default")) for check in checks if check["kind"] == "resource"
        }
        tasks = [
            asyncio.create_task(conversation.until_closed()),
            asyncio.create_task(self._keep_telling(conversation, checks, trigger)),
            asyncio.create_task(self._on_happenings(trigger)),
            *(asyncio.create_task(self._on_change(resource, namespace, trigger)) for resource, namespace in paths),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_telling(self, conversation: Conversation, checks: Sequence[Object], trigger: asyncio.Event) -> None:
        told: list[Verdict] | None = None
        kinds = {check["kind"] for check in checks}
        poll = _POLL_SECONDS if "port" in kinds else _SCRIPT_POLL_SECONDS if "script" in kinds else None
        gap = _SCRIPT_GAP_SECONDS if "script" in kinds else _GAP_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await trigger.wait()
                await asyncio.sleep(_SETTLE_SECONDS)
            trigger.clear()
            verdicts = await self._evaluator.evaluate(checks)
            if verdicts != told:
                told = verdicts
                await conversation.send(_message(verdicts))
            await asyncio.sleep(gap)

    async def _on_happenings(self, trigger: asyncio.Event) -> None:
        """A command ended, the cluster came or went."""
        with self._happenings.listen() as queue:
            while True:
                event = await queue.get()
                if event["type"] in ("terminal", "cluster"):
                    trigger.set()

    async def _on_change(self, resource: str, namespace: str, trigger: asyncio.Event) -> None:
        """An object of this resource changed. Whatever goes wrong, it is tried again."""
        while True:
            if self._cluster.state == "running":
                with contextlib.suppress(OSError):
                    path = await self._evaluator.resources.path(resource, namespace=namespace)
                    if path is not None:
                        async for _ in self._cluster.api.watch(f"{path}?watch=1"):
                            trigger.set()
            await asyncio.sleep(_RETRY_SECONDS)


def _message(verdicts: Sequence[Verdict]) -> Object:
    return {"type": "verdicts", "verdicts": [verdict.wire() for verdict in verdicts]}
