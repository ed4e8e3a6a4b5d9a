"""The sweep: compares what is wanted with what runs, and makes the second like the first.

Level-triggered: it may be missed, run twice or run late, and heals after any crash. It asks the learner's sandbox
nothing; activity is what the platform itself has seen. Times of day decide only after a warning that was given by the
same clock, so a clock that jumps costs learners a warning, not their work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import cache
from django.db.models import F, Q
from django.utils.translation import gettext_noop

from sandbox.backend import Backend, SandboxError, SandboxState
from tutorials.celery import enqueue
from tutorials.models import Sandbox
from tutorials.progress import attempts, overview, stages

log = logging.getLogger(__name__)

State, Reason = Sandbox.State, Sandbox.Reason

UNCLAIMED = timedelta(seconds=5)
"""A request that nobody took on for so long was lost on the way."""
SILENT = timedelta(seconds=30)
"""A worker that reported nothing for so long is dead; it reports every 5 s."""
MAX_CRASHES = 3
PRESENT = timedelta(minutes=15)
"""Who did something so recently gets a lost sandbox back unasked."""
MAX_LOST = 3
"""So often within PRESENT; then the learner has to ask."""
FEW, PORTION = 5, 0.3
"""The brake: one sweep ends at most FEW sandboxes or this portion of them, so a mistake ends a few, not a class."""
ANSWER = 15.0
AT_ONCE = 4
LAST_SWEEP = "last-sweep"

_Item = TypeVar("_Item")


async def sweep(backend: Backend, *, now: datetime) -> None:
    """Retry what stalled, warn and end what is idle or out of time, bring back what was lost, stop what is unwanted."""
    await sync_to_async(_retry)(now)
    await sync_to_async(_expire)(now)
    ready_before = await sync_to_async(_names)(State.READY)
    held = await _held(backend)
    if held is not None:
        missing = [name for name in ready_before if name not in held or not held[name].running]
        await _replace_lost(backend, missing, now=now)
        # Read after list(): a sandbox that it names has had its row since before it was started.
        wanted = set(await sync_to_async(_names)(*Sandbox.WANTED))
        await _stop_unwanted(backend, held, wanted)
    await sync_to_async(cache.set)(LAST_SWEEP, now.timestamp(), None)


def _names(*states: str) -> list[str]:
    return list(Sandbox.objects.filter(state__in=states).values_list("name", flat=True))


async def _held(backend: Backend) -> Mapping[str, SandboxState] | None:
    """The site's sandboxes that the backend holds; None when it does not answer, and then nothing is concluded."""
    try:
        async with asyncio.timeout(ANSWER):
            held = await backend.list()
    except (SandboxError, OSError, TimeoutError) as error:
        log.error("the sandbox backend does not answer: %s", error)
        return None
    return {name: state for name, state in held.items() if name.startswith(attempts.NAME_PREFIX)}


# -- what stalled ------------------------------------------------------------------------------------------------------


def disown(now: datetime) -> None:
    """No worker is alive (the only process has just started): what they had taken on is free at once."""
    Sandbox.objects.filter(state=State.STARTING).update(touched=now - SILENT - timedelta(seconds=1))


def _retry(now: datetime) -> None:
    silent = Sandbox.objects.filter(state=State.STARTING, touched__lt=now - SILENT)
    for sandbox in silent.filter(crashes__gte=MAX_CRASHES):
        failed = silent.filter(pk=sandbox.pk, tries=sandbox.tries).update(
            state=State.FAILED,
            reason=Reason.FAILED,
            ended=now,
            error=gettext_noop("Something went wrong while the sandbox was prepared."),
        )
        if failed:
            log.error("%s failed: its set-up has ended the worker %d times", sandbox.name, sandbox.crashes)
            attempts.publish_sandbox(sandbox)
    for sandbox in silent:
        silent.filter(pk=sandbox.pk, tries=sandbox.tries).update(
            state=State.REQUESTED, crashes=F("crashes") + 1, touched=now - UNCLAIMED
        )
    unclaimed = Sandbox.objects.filter(state=State.REQUESTED).filter(
        Q(touched__lte=now - UNCLAIMED) | Q(stage=stages.WAITING)
    )
    for sandbox_id in unclaimed.order_by("created").values_list("pk", flat=True):
        enqueue("provision", sandbox_id)


# -- what is idle or out of time ---------------------------------------------------------------------------------------


def _expire(now: datetime) -> None:
    warning = timedelta(minutes=settings.WARNING_MINUTES)
    rows = list(Sandbox.objects.filter(state__in=(State.READY, State.REQUESTED)))
    due: list[tuple[datetime, Sandbox]] = []
    for sandbox in rows:
        ends, reason = min((overview.idle_end(sandbox), Reason.IDLE), (sandbox.deadline, Reason.DEADLINE))
        if now < ends - warning:
            if sandbox.warned is not None:
                _warn(sandbox, None, Reason.NONE)
        elif sandbox.warned is None or sandbox.warned_of != reason or sandbox.warned > now:
            _warn(sandbox, now, reason)
        elif now >= ends and now >= sandbox.warned + warning:
            due.append((ends, sandbox))
    due.sort(key=lambda item: item[0])
    for _, sandbox in _portion(due, len(rows), "end as idle or out of time"):
        changed = ~Q(last_activity=sandbox.last_activity, deadline=sandbox.deadline, warned=sandbox.warned)
        attempts.finish(sandbox, Reason(sandbox.warned_of), now=now, unless=changed)


def _warn(sandbox: Sandbox, at: datetime | None, of: Sandbox.Reason) -> None:
    """Note a warning or withdraw it, unless the learner has just done something."""
    same = Sandbox.objects.filter(pk=sandbox.pk, last_activity=sandbox.last_activity, deadline=sandbox.deadline)
    if same.update(warned=at, warned_of=of):
        attempts.publish_sandbox(sandbox)


def _portion(items: Sequence[_Item], of: int, what: str) -> Sequence[_Item]:
    """The first of the items, as many as one sweep may take."""
    most = max(FEW, int(of * PORTION))
    if len(items) > most:
        log.error("one sweep would %s %d of %d sandboxes; taking only %d now", what, len(items), of, most)
    return items[:most]


# -- what was lost -----------------------------------------------------------------------------------------------------


async def _replace_lost(backend: Backend, missing: Collection[str], *, now: datetime) -> None:
    for name in missing:
        if await _answers(backend, name):
            log.error("%s answers, but the backend does not list it", name)
        else:
            await sync_to_async(_replace)(name, now)


async def _answers(backend: Backend, name: str) -> bool:
    """Whether the sandbox can be reached after all."""
    try:
        async with asyncio.timeout(2.0):
            _, writer = await backend.connect(name)
    except (SandboxError, OSError, TimeoutError):
        return False
    writer.close()
    return True


def _replace(name: str, now: datetime) -> None:
    """Note the loss; give a learner who is there a fresh sandbox in the state of their step."""
    sandbox = Sandbox.objects.select_related("attempt").filter(name=name, state=State.READY).first()
    if sandbox is None or sandbox.attempt is None:
        return
    log.warning("%s was lost", name)
    if not attempts.finish(sandbox, Reason.LOST, now=now):
        return
    lost = Sandbox.objects.filter(attempt=sandbox.attempt, reason=Reason.LOST, ended__gt=now - PRESENT).count()
    there = max(sandbox.last_activity, sandbox.last_seen or sandbox.last_activity) > now - PRESENT
    lesson = overview.lesson_of(sandbox.attempt)
    if not there or lost >= MAX_LOST or lesson is None:
        return
    try:
        attempts.reset(sandbox.attempt, lesson, reason=Reason.LOST, language=sandbox.language, now=now)
    except attempts.AnotherRunning:
        log.info("the learner of %s has started another lesson", name)


# -- what is not wanted ------------------------------------------------------------------------------------------------


async def _stop_unwanted(backend: Backend, held: Mapping[str, SandboxState], wanted: Collection[str]) -> None:
    unwanted = [name for name in held if name not in wanted]
    turns = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for name in _portion(unwanted, len(held), "stop as unwanted"):
            group.create_task(_stop(backend, name, turns))


async def _stop(backend: Backend, name: str, turns: asyncio.Semaphore) -> None:
    """One that cannot be stopped does not keep the others; the next sweep tries it again."""
    async with turns:
        try:
            async with asyncio.timeout(ANSWER):
                await backend.stop(name)
        except (SandboxError, OSError, TimeoutError) as error:
            log.error("%s could not be stopped: %s", name, error)
