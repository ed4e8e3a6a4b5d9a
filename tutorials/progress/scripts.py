"""Katacoda's background and foreground scripts: started when a page of the lesson is opened, once in each sandbox."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from sandbox.client import SandboxClient, Size
from tutorials.catalogue.lesson import Lesson, Page, Script, Step
from tutorials.celery import enqueue
from tutorials.models import Sandbox, StartedScript

INTRO = "page:intro"
"""Stands for the lesson's first page where a step's id may stand; ids have no colon."""
TERMINAL = "1"
TYPED = 2000
"""Longer ones are not typed: a terminal that reads line by line takes 4,095 bytes and drops the rest."""
PLACE = "/tmp/foreground.sh"
ANSWER = 20.0


def page_of(lesson: Lesson, opened: str) -> Step | Page | None:
    """The step of that id, or the intro."""
    return lesson.intro if opened == INTRO else lesson.step(opened)


def opened(sandbox: Sandbox, lesson: Lesson, pages: Sequence[str]) -> None:
    """Have the scripts of these pages started, unless they have been."""
    for name in pages:
        page = page_of(lesson, name)
        if page is None or (page.background is None and page.foreground is None):
            continue
        _, first = StartedScript.objects.get_or_create(sandbox=sandbox, step=name)
        if first:
            enqueue("scripts", sandbox.pk, name)


def replayed(sandbox: Sandbox, pages: Sequence[str]) -> None:
    """These pages' scripts were part of the set-up; they are not to be started again."""
    StartedScript.objects.bulk_create(
        [StartedScript(sandbox=sandbox, step=name) for name in pages], ignore_conflicts=True
    )


async def start(client: SandboxClient, page: Step | Page) -> None:
    """Start the page's background script, and type its foreground script into the terminal. Raises SandboxError."""
    if page.background is not None:
        await _background(client, page.background)
    if page.foreground is not None:
        await _foreground(client, page.foreground)


async def _background(client: SandboxClient, script: Script) -> None:
    """It goes on by itself; what becomes of it is the lesson's affair."""
    await client.run(f"setsid bash -c {shlex.quote(script.text)} >/dev/null 2>&1 </dev/null &", timeout=ANSWER)


async def _foreground(client: SandboxClient, script: Script) -> None:
    text = script.text.strip() + "\n"
    if len(text.encode()) > TYPED:
        await client.put({PLACE: (script.text.encode(), 0o644)})
        text = f"source {PLACE}\n"
    terminal = await client.attach(TERMINAL, since=None, size=Size(), viewer="lesson", interactive=True)
    try:
        await terminal.write(text.encode())
    finally:
        await terminal.close()
