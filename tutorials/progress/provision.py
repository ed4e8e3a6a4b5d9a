"""Brings a wanted sandbox up and into the state that its step needs.

Runs in a worker that may be killed at any line, and may run twice. Each run takes the row on by raising `tries`; every
later write names that number, so a run that was thought dead and comes back writes nothing and gives up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import F
from django.utils.translation import gettext_noop

from sandbox.backend import Backend, HostFull, SandboxError, SandboxSpec
from sandbox.client import Completed, SandboxClient
from tutorials.catalogue.lesson import Lesson, Script
from tutorials.models import Sandbox
from tutorials.progress import overview, scripts, stages
from tutorials.progress.attempts import publish_sandbox
from tutorials.publish import publish_to_attempt

log = logging.getLogger(__name__)

State = Sandbox.State
Clock = Callable[[], datetime]

BEAT = 5.0
"""Seconds between two signs of life."""
WHOLE = 600.0
START, FILES, CLUSTER, SCRIPT = 60.0, 60.0, 180.0, 180.0
OUTPUT = 4096
MAX_FILES = 32 * 1024 * 1024
NOT_REPLAYED = gettext_noop("The steps before this one could not be replayed.")


class Superseded(Exception):
    """The sandbox is no longer wanted, or another run has taken it on."""


class SetupFailed(SandboxError):
    """The lesson's set-up went wrong."""


async def bring_up(
    sandbox_id: int, *, backend: Backend, client_for: Callable[[str], SandboxClient], clock: Clock
) -> None:
    """Make the requested sandbox ready, or failed with a sentence, or waiting when the host is full.

    Does nothing when it is not requested (any more).
    """
    run = await Run.take_on(sandbox_id, backend, client_for, clock)
    if run is None:
        return
    try:
        async with asyncio.timeout(WHOLE):
            lesson = await _with_beat(run.set_up(), run.beat)
        await run.ready(lesson)
    except Superseded:
        log.info("%s is no longer wanted, stopping it", run.sandbox.name)
        await run.give_up()
    except HostFull:
        await run.wait_for_room()
    except SandboxError as error:
        log.warning("%s failed: %s", run.sandbox.name, error, exc_info=error.__cause__)
        await run.fail(str(error))
    except TimeoutError:
        log.warning("%s timed out in stage %s", run.sandbox.name, run.stage_name)
        await run.fail(gettext_noop("Preparing the sandbox took too long."))
    except Exception:
        log.exception("%s failed in stage %s", run.sandbox.name, run.stage_name)
        await run.fail(gettext_noop("Something went wrong while the sandbox was prepared."))


async def _with_beat(work: Coroutine[Any, Any, Lesson], beat: Callable[[], Coroutine[Any, Any, None]]) -> Lesson:
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=BEAT))[0]:
            await beat()
        return await task
    finally:
        task.cancel()


class Run:
    """One worker's run of a set-up."""

    def __init__(
        self, sandbox: Sandbox, backend: Backend, client_for: Callable[[str], SandboxClient], clock: Clock
    ) -> None:
        self.sandbox = sandbox
        self.stage_name = ""
        self._backend = backend
        self._client = client_for(sandbox.name)
        self._clock = clock

    @classmethod
    async def take_on(
        cls, sandbox_id: int, backend: Backend, client_for: Callable[[str], SandboxClient], clock: Clock
    ) -> Run | None:
        """The run that has won the sandbox, or None."""

        def claim() -> Sandbox | None:
            seen = Sandbox.objects.filter(pk=sandbox_id, state=State.REQUESTED).first()
            if seen is None:
                return None
            won = Sandbox.objects.filter(pk=sandbox_id, state=State.REQUESTED, tries=seen.tries).update(
                state=State.STARTING, stage=stages.SANDBOX, tries=F("tries") + 1, touched=clock()
            )
            if not won:
                return None
            publish_sandbox(seen)
            return Sandbox.objects.select_related("attempt").get(pk=sandbox_id)

        sandbox = await sync_to_async(claim)()
        return cls(sandbox, backend, client_for, clock) if sandbox is not None else None

    async def set_up(self) -> Lesson:
        """Go through the stages of the lesson, and return it."""
        attempt = self.sandbox.attempt
        lesson = await sync_to_async(overview.lesson_of)(attempt) if attempt else None
        if lesson is None:
            raise SetupFailed(gettext_noop("This lesson no longer exists."))
        self.stage_name = stages.SANDBOX
        if self.sandbox.tries > 1:  # whatever an earlier run has left half done
            await self._backend.stop(self.sandbox.name)
        async with asyncio.timeout(START):
            await self._backend.start(self.sandbox.name, SandboxSpec(user=lesson.user))
        if lesson.assets:
            await self._stage(stages.FILES)
            async with asyncio.timeout(FILES):
                await self._client.put(await asyncio.to_thread(_files, lesson))
        if lesson.cluster:
            await self._stage(stages.CLUSTER)
            async with asyncio.timeout(CLUSTER):
                self._demand(await self._client.minikube(["start"]), gettext_noop("The cluster could not be started."))
        if lesson.setup:
            await self._stage(stages.SETUP)
            await self._script(lesson.setup, gettext_noop("The lesson's set-up did not succeed."))
        await self._replay(lesson)
        return lesson

    async def _replay(self, lesson: Lesson) -> None:
        """Do what a learner would have done who came to the step where this sandbox starts."""
        before = stages.steps_before(lesson, self.sandbox.start_at)
        if before and lesson.intro is not None and lesson.intro.background is not None:
            await self._run(lesson.intro.background)
        for step in before:
            if step.solution or step.background:
                await self._stage(stages.SOLUTION + step.id)
            if step.background is not None:
                await self._run(step.background)
            if step.solution is not None:
                await self._tell({"type": "solution", "step": step.id, "script": step.solution.text[:OUTPUT]})
                await self._script(step.solution, NOT_REPLAYED)

    async def _script(self, script: Script, sentence: str) -> None:
        """Run a script that must succeed."""
        self._demand(await self._run(script), sentence, what=script.path)

    async def _run(self, script: Script) -> Completed:
        done = await self._client.run(script.text, timeout=SCRIPT)
        await self._tell(
            {
                "type": "output",
                "stage": self.stage_name,
                "text": done.output[-OUTPUT:].decode(errors="replace"),
                "status": done.status,
            }
        )
        return done

    def _demand(self, done: Completed, sentence: str, *, what: str = "") -> None:
        if done.status != 0:
            log.warning(
                "%s: %s %s ended with %d: %r", self.sandbox.name, self.stage_name, what, done.status, done.output[-500:]
            )
            raise SetupFailed(sentence)

    async def _tell(self, event: dict[str, Any]) -> None:
        if self.sandbox.attempt_id is not None:
            await sync_to_async(publish_to_attempt)(self.sandbox.attempt_id, event)

    async def _stage(self, name: str) -> None:
        """Note and tell the stage. Raises Superseded."""
        self.stage_name = name
        await self._write(stage=name)

    async def beat(self) -> None:
        """Show that this run is alive. Raises Superseded."""
        if not await sync_to_async(self._rows().update)(touched=self._clock()):
            raise Superseded

    def _rows(self) -> Any:
        return Sandbox.objects.filter(pk=self.sandbox.pk, state=State.STARTING, tries=self.sandbox.tries)

    async def _write(self, **fields: Any) -> None:
        """Change the row and tell the pages. Raises Superseded when it is not this run's any more."""

        def write() -> bool:
            if not self._rows().update(touched=self._clock(), **fields):
                return False
            publish_sandbox(self.sandbox)
            return True

        if not await sync_to_async(write)():
            raise Superseded

    async def ready(self, lesson: Lesson) -> None:
        """The learner may begin; the idle time runs from now."""
        before = [step.id for step in stages.steps_before(lesson, self.sandbox.start_at)]
        if before:
            await sync_to_async(scripts.replayed)(self.sandbox, [scripts.INTRO, *before])
        await self._write(state=State.READY, stage="", error="", last_activity=self._clock())
        await sync_to_async(scripts.opened)(self.sandbox, lesson, [scripts.INTRO, self.sandbox.start_at])

    async def fail(self, sentence: str) -> None:
        """Say what went wrong and free what was started."""
        try:
            await self._write(state=State.FAILED, reason=Sandbox.Reason.FAILED, error=sentence, ended=self._clock())
        except Superseded:
            log.info("%s was superseded while failing", self.sandbox.name)
        await self.give_up()

    async def wait_for_room(self) -> None:
        """Queue again; the sweep tries it in its turn."""
        try:
            await self._write(state=State.REQUESTED, stage=stages.WAITING)
        except Superseded:
            log.info("%s was superseded while waiting for room", self.sandbox.name)

    async def give_up(self) -> None:
        """Stop the sandbox, unless another run works on it. What fails here, the sweep repeats."""
        current = await sync_to_async(Sandbox.objects.filter(pk=self.sandbox.pk).first)()
        if current is not None and current.wanted:
            return
        try:
            async with asyncio.timeout(START):
                await self._backend.stop(self.sandbox.name)
        except (SandboxError, OSError, TimeoutError) as error:
            log.warning("%s could not be stopped yet: %s", self.sandbox.name, error)


def _files(lesson: Lesson) -> dict[str, tuple[bytes, int]]:
    """The lesson's assets. Raises SetupFailed."""
    files: dict[str, tuple[bytes, int]] = {}
    try:
        total = sum(asset.source.stat().st_size for asset in lesson.assets)
        if total > MAX_FILES:
            raise SetupFailed(gettext_noop("The lesson's files are too large."))
        for asset in lesson.assets:
            files[asset.target] = (asset.source.read_bytes(), asset.mode)
    except OSError as error:
        raise SetupFailed(gettext_noop("A file of the lesson is missing.")) from error
    return files
