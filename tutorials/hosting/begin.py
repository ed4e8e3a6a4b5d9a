"""Brings a fresh sandbox to the beginning of a lesson, or of one of its steps, without a page."""

from __future__ import annotations

import asyncio

from sandbox.backend import SandboxError
from sandbox.client import SandboxClient
from tutorials.catalogue.lesson import Lesson, Script

_SECONDS = 120.0
"""For the whole of the set-up, and again for each step's solution."""


async def begin(client: SandboxClient, lesson: Lesson | None, *, cluster: bool, step: int = 1) -> None:
    """Set up as the lesson wants, with the cluster if it or the caller does, and with the steps before `step` solved.

    Raises SandboxError.
    """
    async with asyncio.timeout(_SECONDS):
        if lesson is not None and lesson.assets:
            await client.put({asset.target: (asset.source.read_bytes(), asset.mode) for asset in lesson.assets})
        if cluster or (lesson is not None and lesson.cluster):
            done = await client.minikube(["start"])
            if done.status != 0:
                raise SandboxError(f"The cluster did not start: {done.output.decode(errors='replace')[-1000:]}")
        if lesson is None:
            return
        background = lesson.intro.background if lesson.intro else None
        for script in filter(None, (lesson.setup, background)):
            await _run(client, script)
    for earlier in lesson.steps[: step - 1]:
        for script in filter(None, (earlier.background, earlier.solution)):
            async with asyncio.timeout(_SECONDS):
                await _run(client, script)


async def _run(client: SandboxClient, script: Script) -> None:
    done = await client.run(script.text, timeout=_SECONDS)
    if done.status != 0:
        said = done.output.decode(errors="replace")[-1000:]
        raise SandboxError(f"{script.path} ended with {done.status}: {said}")
