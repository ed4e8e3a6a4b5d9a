"""Checks the current step of learners whose page is closed, so that work done is not lost with the page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.db.models import Q

from sandbox.backend import SandboxError
from sandbox.client import SandboxClient
from tutorials.catalogue.lesson import Step
from tutorials.models import Sandbox
from tutorials.progress import overview, verdicts

log = logging.getLogger(__name__)

UNSEEN = timedelta(seconds=60)
RECENT = timedelta(minutes=20)
"""Nothing changes by itself for longer: who has been away for so long has been checked."""
ANSWER = 20.0
AT_ONCE = 4


async def check_without_page(client_for: Callable[[str], SandboxClient], *, now: datetime) -> None:
    """Evaluate the current step wherever no page does, and record what has been passed."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for sandbox, step in await sync_to_async(_unwatched)(now):
            group.create_task(_check(client_for(sandbox.name), sandbox, step, turns, now))


def _unwatched(now: datetime) -> list[tuple[Sandbox, Step]]:
    rows = Sandbox.objects.select_related("attempt").filter(
        Q(last_seen=None) | Q(last_seen__lt=now - UNSEEN), state=Sandbox.State.READY, last_activity__gt=now - RECENT
    )
    found = []
    for sandbox in rows:
        lesson = overview.lesson_of(sandbox.attempt) if sandbox.attempt else None
        step = lesson.step(sandbox.attempt.current_step) if lesson and sandbox.attempt else None
        if step is not None and step.checks:
            found.append((sandbox, step))
    return found


async def _check(client: SandboxClient, sandbox: Sandbox, step: Step, turns: asyncio.Semaphore, now: datetime) -> None:
    async with turns:
        try:
            async with asyncio.timeout(ANSWER):
                found = await client.check([check.wire() for check in step.checks])
        except (SandboxError, OSError, TimeoutError) as error:
            log.warning("%s could not be checked: %s", sandbox.name, error)
            return
    if sandbox.attempt_id is not None:
        await sync_to_async(verdicts.record)(sandbox.attempt_id, sandbox.generation, step.id, found, now=now)
