"""Plays a lesson for real, as its test: on a fresh sandbox no step may count as done; after its solution each must.

Solutions are typed into a terminal, statement by statement, because checks may look at what was typed.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from sandbox.backend import Backend, SandboxError, SandboxSpec
from sandbox.client import SandboxClient, Size, TerminalStream, Verdict
from tutorials.catalogue.lesson import Lesson, Step
from tutorials.hosting.begin import begin

STATEMENT = 120.0
"""Seconds for one statement of a solution."""
TICK = 15.0
"""Seconds within which a step must count as done after its solution."""
_ACKNOWLEDGE = 32 * 1024


@dataclass(frozen=True)
class Outcome:
    """How one step went. A step that was never played is `skipped`, which is no pass."""

    lesson: str
    step: str
    state: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float

    def __str__(self) -> str:
        mark = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[self.state]
        return f"{mark} {self.step} ({self.seconds:.1f} s) {self.detail}".rstrip()


async def rehearse(
    lesson: Lesson, *, backend: Backend, clock: Callable[[], float] = time.monotonic
) -> Sequence[Outcome]:
    """Play all steps of a lesson in one fresh sandbox; the sandbox ends with it."""
    outcomes: list[Outcome] = []
    async with _sandbox(lesson, backend) as client:
        await begin(client, lesson, cluster=lesson.cluster)
        early = await _done_already(lesson, client)
        for step in lesson.steps:
            began = clock()
            try:
                state, detail = await _play(step, client, early=step.id in early)
            except (SandboxError, TimeoutError, OSError) as error:
                state, detail = "failed", str(error) or type(error).__name__
            outcomes.append(Outcome(lesson.id, step.id, state, detail, clock() - began))
    return outcomes


@asynccontextmanager
async def _sandbox(lesson: Lesson, backend: Backend) -> AsyncIterator[SandboxClient]:
    name = f"rehearsal-{uuid.uuid4().hex[:12]}"
    try:
        await backend.start(name, SandboxSpec(user=lesson.user))
        yield SandboxClient(lambda: backend.connect(name))
    finally:
        await backend.stop(name)


async def _done_already(lesson: Lesson, client: SandboxClient) -> set[str]:
    """The steps that count as done before anybody did anything."""
    return {
        step.id
        for step in lesson.steps
        if step.checks
        and all(verdict.passed for verdict in await client.check([check.wire() for check in step.checks]))
    }


async def _play(
    step: Step, client: SandboxClient, *, early: bool
) -> tuple[Literal["passed", "failed", "skipped"], str]:
    if not step.checks:
        return "skipped", "it has no check"
    if early:
        return "failed", "it counts as done on a fresh sandbox"
    if step.solution is None:
        return "skipped", "it has no solution"
    wires = [check.wire() for check in step.checks]
    if all(verdict.passed for verdict in await client.check(wires)):
        return "failed", "it counts as done before its solution ran"
    if step.background is not None:
        await client.run(step.background.text, timeout=STATEMENT)
    await type_script(client, step.solution.text)
    verdicts = await _wait_until_passed(client, wires)
    if all(verdict.passed for verdict in verdicts):
        return "passed", ""
    number, verdict = next((n, v) for n, v in enumerate(verdicts, 1) if not v.passed)
    return "failed", f"check {number} still says {verdict.reason}: {verdict.actual[:200]}"


async def _wait_until_passed(client: SandboxClient, wires: Sequence[dict[str, object]]) -> Sequence[Verdict]:
    verdicts: Sequence[Verdict] = ()
    try:
        async with asyncio.timeout(TICK):
            async for verdicts in client.watch(wires):
                if all(verdict.passed for verdict in verdicts):
                    break
    except TimeoutError:
        pass
    return verdicts


async def type_script(client: SandboxClient, script: str) -> None:
    """Type a script into a terminal of its own, one statement at a time, as a learner would. Raises TimeoutError."""
    stream = await client.attach("solution", since=None, size=Size(120, 40), viewer="rehearsal", interactive=True)
    try:
        typist = _Typist(stream)
        async with asyncio.timeout(STATEMENT):
            await typist.prompt()
        for statement in statements(script):
            await stream.write(statement.encode() + b"\n")
            async with asyncio.timeout(STATEMENT):
                await typist.finished()
    finally:
        await stream.close()


class _Typist:
    """Reads a terminal and knows when the shell waits again."""

    def __init__(self, stream: TerminalStream) -> None:
        self._frames = stream.frames()
        self._stream = stream
        self._seen = 0
        self._acknowledged = 0

    async def prompt(self) -> None:
        """Wait for a prompt."""
        await self._mark("prompt")

    async def finished(self) -> None:
        """Wait for the end of a command and the prompt after it."""
        await self._mark("finished")
        await self._mark("prompt")

    async def _mark(self, wanted: str) -> None:
        async for frame in self._frames:
            if isinstance(frame, bytes):
                await self._acknowledge(len(frame))
            elif frame.get("type") == "reset":
                self._seen = self._acknowledged = int(frame["offset"])
            elif wanted in (frame.get("mark"), frame.get("state")):
                return
        raise SandboxError("The terminal ended.")

    async def _acknowledge(self, count: int) -> None:
        self._seen += count
        if self._seen - self._acknowledged >= _ACKNOWLEDGE:
            self._acknowledged = self._seen
            await self._stream.control({"type": "ack", "offset": self._seen})


def statements(script: str) -> list[str]:
    """The script cut where bash sees a whole statement end."""
    found: list[str] = []
    pending: list[str] = []
    for line in script.splitlines():
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        pending.append(line)
        text = "\n".join(pending)
        if not line.endswith("\\") and _whole(text):
            found.append(text)
            pending = []
    if pending:
        found.append("\n".join(pending))
    return found


def _whole(text: str) -> bool:
    """Whether bash could run this as it stands; nothing is run."""
    parsed = subprocess.run(["bash", "-n", "-c", text], capture_output=True, timeout=5, check=False)
    return parsed.returncode == 0 and b"here-document" not in parsed.stderr


def junit(outcomes: Sequence[Outcome]) -> str:
    """A JUnit report of the outcomes."""
    suite = ElementTree.Element("testsuite", name="lessons", tests=str(len(outcomes)))
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=outcome.lesson, name=outcome.step, time=f"{outcome.seconds:.3f}"
        )
        if outcome.state != "passed":
            kind = "failure" if outcome.state == "failed" else "skipped"
            ElementTree.SubElement(case, kind, message=outcome.detail)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
