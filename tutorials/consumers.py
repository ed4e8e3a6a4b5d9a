"""The two WebSockets of a page: one a terminal (bytes), one for everything that happens (JSON). docs/protocol.md, 2."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from django.conf import settings
from django.utils import timezone

from sandbox.backend import SandboxError, SandboxGone
from sandbox.client import SandboxClient, Size, TerminalStream
from tutorials import backends
from tutorials.admission import ENDED, EXPIRED, FORBIDDEN, TRY_AGAIN, Admitted, Object
from tutorials.bridge import MAX_COLUMNS, MAX_INPUT, MAX_ROWS, BadMessage, Bridge, whole_number
from tutorials.catalogue.lesson import Step
from tutorials.models import Sandbox
from tutorials.outbox import Outbox
from tutorials.progress import attempts, overview, verdicts
from tutorials.publish import attempt_group

REPLACED = 4002
"""The same page attached to the same terminal again; the older socket is of no more use."""
ATTACH_WITHIN = 15.0
ACTIVITY_EVERY = 20.0
SEEN_EVERY = 30.0
AGAIN_AFTER = 1.0


class TerminalConsumer(Admitted):
    """Terminal bytes both ways, through a Bridge."""

    max_input: ClassVar[int] = MAX_INPUT

    bridge: Bridge | None = None
    told_activity = -ACTIVITY_EVERY

    async def welcome(self, message: Object) -> None:
        """Attach to the terminal, opening it when it does not exist."""
        since = None if message.get("since") is None else whole_number(message, "since", 0, 2**53)
        size = Size(whole_number(message, "columns", 1, MAX_COLUMNS), whole_number(message, "rows", 1, MAX_ROWS))
        sandbox = await database_sync_to_async(attempts.ready_sandbox)(self.attempt)
        if sandbox is None:
            await self.end(EXPIRED)
            return
        await self.channel_layer.group_add(attempt_group(self.attempt.pk), self.channel_name)
        try:
            stream = await self._attach(
                sandbox.name, since=since, size=size, viewer=str(message.get("viewer", ""))[:40]
            )
        except SandboxGone:
            await self.end(EXPIRED)
        except (SandboxError, OSError, TimeoutError) as error:
            await self.end(TRY_AGAIN, str(error) or "the sandbox did not answer in time")
        else:
            self.bridge = Bridge(self, stream)
            self.own(self._pump(self.bridge))

    async def _attach(self, sandbox: str, *, since: int | None, size: Size, viewer: str) -> TerminalStream:
        client = backends.client(sandbox)
        terminal = self.scope["url_route"]["kwargs"]["terminal"]
        async with asyncio.timeout(ATTACH_WITHIN):
            return await client.attach(
                terminal, since=since, size=size, viewer=f"{self.scope['user'].pk}-{viewer}", interactive=True
            )

    async def _pump(self, bridge: Bridge) -> None:
        """Carry bytes until the terminal or its sandbox ends, then say which."""
        with contextlib.suppress(SandboxError, OSError):
            last = await bridge.pump()
            if last.get("type") == "closed":
                await self.end(
                    REPLACED if last.get("reason") == "replaced" else ENDED, str(last.get("reason", ""))[:40]
                )
                return
        running = await database_sync_to_async(attempts.ready_sandbox)(self.attempt)
        await self.end(TRY_AGAIN if running else EXPIRED)

    async def received_bytes(self, data: bytes) -> None:
        """What the learner types."""
        if self.bridge is None:
            return
        await self._carry(self.bridge.typed(data))
        if time.monotonic() - self.told_activity >= ACTIVITY_EVERY:
            self.told_activity = time.monotonic()
            await database_sync_to_async(attempts.activity)(self.attempt.pk, now=timezone.now())

    async def received(self, message: Object) -> None:
        """An acknowledgement, a new size, a ping."""
        if self.bridge is not None:
            await self._carry(self.bridge.told(message))

    async def _carry(self, work: Any) -> None:
        """A sandbox that has gone is reported by the pump; what was typed into it meanwhile is lost."""
        with contextlib.suppress(SandboxError, OSError):
            await work

    async def attempt_event(self, message: Object) -> None:
        """The learner left, or the sandbox ended."""
        event = message["event"]
        if event["type"] == "left":
            await self.end(FORBIDDEN)
        elif event["type"] == "sandbox" and event["sandbox"]["state"] in ("ended", "failed"):
            await self.end(EXPIRED)

    async def disconnect(self, code: int) -> None:
        """Detach."""
        await super().disconnect(code)
        if self.bridge is not None:
            with contextlib.suppress(SandboxError, OSError):
                await self.bridge.close()


class EventsConsumer(Admitted):
    """Stages, verdicts, the picture of the cluster: what the page shows around the terminal."""

    async def welcome(self, message: Object) -> None:
        """Say how things stand, then follow them."""
        language = message.get("language")
        self.language = language if language in dict(settings.LANGUAGES) else "en"
        self.step_id = str(message.get("step") or "")[:100]
        self.changed = asyncio.Event()
        self.outbox = Outbox(self.send_object)
        await self.channel_layer.group_add(attempt_group(self.attempt.pk), self.channel_name)
        state = await database_sync_to_async(overview.state)(self.attempt, now=timezone.now(), language=self.language)
        self.outbox.put("state", {"type": "admitted", "state": state})
        self.own(self.outbox.run())
        self.own(self._follow())

    async def received(self, message: Object) -> None:
        """The page looks at another step, acknowledges, or pings."""
        kind = message.get("type")
        if kind == "ack":
            self.outbox.acknowledge(whole_number(message, "number", 0, 2**53))
        elif kind == "step":
            await self._look_at(str(message.get("step") or "")[:100])
        elif kind == "ping":
            await self.send_object({"type": "pong"})
        else:
            raise BadMessage("unknown type of message")

    async def _look_at(self, step_id: str) -> None:
        if step_id and self._step(step_id) is None:
            raise BadMessage("no such step")
        self.step_id = step_id
        await database_sync_to_async(attempts.look_at)(self.attempt, step_id, now=timezone.now())
        self.changed.set()

    def _step(self, step_id: str) -> Step | None:
        lesson = overview.lesson_of(self.attempt)
        return lesson.step(step_id) if lesson else None

    # -- what happens in the sandbox -----------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Watch the sandbox that runs now for the step that is shown now; begin anew when either changes."""
        ready_sandbox = database_sync_to_async(attempts.ready_sandbox)
        while True:
            self.changed.clear()
            sandbox = await ready_sandbox(self.attempt)
            watching = asyncio.ensure_future(self._watch(sandbox)) if sandbox else None
            try:
                await self.changed.wait()
            finally:
                if watching is not None:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, sandbox: Sandbox) -> None:
        client = backends.client(sandbox.name)
        work = [self._keep(self._events, client), self._keep_seen()]
        step = self._step(self.step_id)
        if step is not None and step.checks:
            work.append(self._keep(self._verdicts, client, sandbox.generation, step))
        await asyncio.gather(*work)

    async def _keep(self, work: Any, *arguments: Any) -> None:
        """Do `work` again and again: an agent that was busy or restarted is asked anew."""
        while True:
            with contextlib.suppress(SandboxError, OSError, TimeoutError):
                await work(*arguments)
            await asyncio.sleep(AGAIN_AFTER)

    async def _keep_seen(self) -> None:
        while True:
            await database_sync_to_async(attempts.seen)(self.attempt.pk, now=timezone.now())
            await asyncio.sleep(SEEN_EVERY)

    async def _events(self, client: SandboxClient) -> None:
        async with _closing(client.events()) as events:
            async for event in events:
                if event.type != "activity":
                    key = (event.type, event.fields.get("terminal"))
                    self.outbox.put(key, {**event.fields, "type": event.type})

    async def _verdicts(self, client: SandboxClient, generation: int, step: Step) -> None:
        record = database_sync_to_async(verdicts.record)
        async with _closing(client.watch([check.wire() for check in step.checks])) as found:
            async for latest in found:
                await record(self.attempt.pk, generation, step.id, latest, now=timezone.now())
                checks = verdicts.present(step, latest, self.language)
                self.outbox.put(("verdicts", step.id), {"type": "verdicts", "step": step.id, "checks": checks})

    # -- what happens on the site --------------------------------------------------------------------------------------

    async def attempt_event(self, message: Object) -> None:
        """Pass it on; a sandbox that came or went changes what is watched."""
        event = message["event"]
        if event["type"] == "left":
            await self.end(FORBIDDEN)
            return
        self.outbox.put((event["type"], event.get("step")), event)
        if event["type"] == "sandbox":
            self.changed.set()


@contextlib.asynccontextmanager
async def _closing(items: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Close the generator, and with it the connection behind it, however the loop over it ends."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
