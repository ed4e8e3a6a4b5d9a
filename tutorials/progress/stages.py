"""The stages of a set-up: their names and which of them a lesson needs."""

from __future__ import annotations

from collections.abc import Sequence

from tutorials.catalogue.lesson import Lesson, Step

WAITING = "waiting"
SANDBOX = "sandbox"
FILES = "files"
CLUSTER = "cluster"
SETUP = "setup"
SOLUTION = "solution:"


def steps_before(lesson: Lesson, start_at: str) -> Sequence[Step]:
    """The steps whose scripts bring a fresh sandbox into the state that `start_at` needs."""
    before: list[Step] = []
    for step in lesson.steps:
        if step.id == start_at:
            return before
        before.append(step)
    return []


def plan(lesson: Lesson, start_at: str) -> list[str]:
    """The stages in their order."""
    return [
        SANDBOX,
        *([FILES] if lesson.assets else []),
        *([CLUSTER] if lesson.cluster else []),
        *([SETUP] if lesson.setup else []),
        *(SOLUTION + step.id for step in steps_before(lesson, start_at) if step.solution or step.background),
    ]
