"""What checks found, made into passed steps and into sentences for the learner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext

from sandbox.client import Verdict
from tutorials.catalogue.lesson import Check, Lesson, Step
from tutorials.models import Attempt, PassedStep, Sandbox
from tutorials.progress import overview
from tutorials.publish import publish_to_attempt

Object = dict[str, Any]

LONGEST_ACTUAL = 500


def record(
    attempt_id: UUID | str, generation: int, step_id: str, verdicts: Sequence[Verdict], *, now: datetime
) -> bool:
    """Pass the step if every one of its checks passed in the sandbox of `generation`; True when it is newly passed.

    Verdicts from a sandbox that has been reset or ended, or for other checks than the step has now, count for nothing.
    """
    sandbox = (
        Sandbox.objects.select_related("attempt")
        .filter(attempt_id=attempt_id, generation=generation, state=Sandbox.State.READY)
        .first()
    )
    if sandbox is None or sandbox.attempt is None:
        return False
    lesson = overview.lesson_of(sandbox.attempt)
    step = lesson.step(step_id) if lesson else None
    if lesson is None or step is None or not all_passed(step, verdicts):
        return False
    return pass_step(sandbox.attempt, lesson, step_id, now=now)


def all_passed(step: Step, verdicts: Sequence[Verdict]) -> bool:
    """Whether these are verdicts for all checks of the step and all say passed. A step without checks has none."""
    return bool(step.checks) and len(step.checks) == len(verdicts) and all(verdict.passed for verdict in verdicts)


def pass_step(attempt: Attempt, lesson: Lesson, step_id: str, *, now: datetime) -> bool:
    """Note that the step is passed, and with the last one that the lesson is finished; True if it is new."""
    try:
        with transaction.atomic():
            PassedStep.objects.create(attempt=attempt, step=step_id, at=now)
    except IntegrityError:
        return False
    passed = overview.passed_steps(attempt)
    finished = {step.id for step in lesson.steps} <= set(passed)
    if finished:
        Attempt.objects.filter(pk=attempt.pk, finished=None).update(finished=now)
    publish_to_attempt(attempt.pk, {"type": "passed", "step": step_id, "passed": passed, "finished": finished})
    return True


def present(step: Step, verdicts: Sequence[Verdict], language: str) -> list[Object]:
    """The step's tasks as the page shows them: title, whether done, and what is still missing."""
    return [
        {
            "title": overview.words(check.title, language),
            "passed": verdict.passed,
            "hint": "" if verdict.passed else _hint(check, verdict, language),
        }
        for check, verdict in zip(step.checks, verdicts, strict=False)
    ]


def _hint(check: Check, verdict: Verdict, language: str) -> str:
    kind, _, index = verdict.reason.partition(":")
    if kind == "error":
        with translation.override(language):
            return gettext("This could not be checked just now. It is tried again.")
    text = overview.words(check.absent if kind == "absent" else check.otherwise, language)
    if kind == "case" and index.isdigit() and int(index) < len(check.cases):
        text = overview.words(check.cases[int(index)].text, language)
    return text.replace("{actual}", verdict.actual[:LONGEST_ACTUAL])
