"""Beginning, resetting and ending work on a lesson. Everything here may be done twice and from two tabs at once.

No locks: the database allows a learner one wanted sandbox, and every change of state is an UPDATE that names the state
it changes, of which the count says who won.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import translation

from tutorials.catalogue.lesson import Lesson
from tutorials.celery import enqueue
from tutorials.models import Attempt, Sandbox
from tutorials.progress import overview, scripts, verdicts
from tutorials.publish import publish_to_attempt

NAME_PREFIX = "learner-"
"""Sandboxes of the site are named so; others (`manage.py sandbox run`) are none of its business."""
EXTENSION = timedelta(hours=1)
_ROUNDS = 5


class AnotherRunning(Exception):
    """The learner has a sandbox for another lesson."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(f"{attempt.course}/{attempt.lesson} is running")
        self.attempt = attempt


class UnknownStep(Exception):
    """The lesson has no step of that id."""


def begin(
    user: AbstractBaseUser,
    course_id: str,
    lesson: Lesson,
    *,
    step_id: str | None = None,
    replace: bool = False,
    language: str = "en",
    now: datetime,
) -> Attempt:
    """Have a sandbox for the lesson wanted, in the state of `step_id` or of the step where the learner was.

    A sandbox of this lesson that is wanted already stays, unless `step_id` asks for another state. One of another
    lesson is ended if `replace`, else AnotherRunning. Raises UnknownStep.
    """
    if step_id is not None and lesson.step(step_id) is None:
        raise UnknownStep(step_id)

    def once() -> Attempt:
        attempt, needed = _make_room(user, course_id, lesson, step_id=step_id, replace=replace, now=now)
        return _want(attempt, lesson, step_id, language=language, now=now) if needed else attempt

    return _until_it_fits(once)


def _until_it_fits(once: Callable[[], Attempt]) -> Attempt:
    """Do it in a transaction; when another tab has won in between, look again."""
    for _ in range(_ROUNDS - 1):
        try:
            with transaction.atomic():
                return once()
        except IntegrityError:
            continue
    with transaction.atomic():
        return once()


def _make_room(
    user: AbstractBaseUser, course_id: str, lesson: Lesson, *, step_id: str | None, replace: bool, now: datetime
) -> tuple[Attempt, bool]:
    """The attempt to go on with, and whether it needs a sandbox; what stood in its way is no longer wanted."""
    running = Sandbox.objects.filter(user_id=user.pk, state__in=Sandbox.WANTED).select_related("attempt").first()
    if running is None or running.attempt is None:
        return _unfinished(user, course_id, lesson, now=now), True
    same = (running.attempt.course, running.attempt.lesson) == (course_id, lesson.id)
    if same and step_id is None:
        return running.attempt, False
    if not same and not replace:
        raise AnotherRunning(running.attempt)
    finish(running, Sandbox.Reason.RESET if same else Sandbox.Reason.REPLACED, now=now)
    return (running.attempt if same else _unfinished(user, course_id, lesson, now=now)), True


def _unfinished(user: AbstractBaseUser, course_id: str, lesson: Lesson, *, now: datetime) -> Attempt:
    attempt, _ = Attempt.objects.get_or_create(
        user_id=user.pk, course=course_id, lesson=lesson.id, finished=None, defaults={"created": now}
    )
    return attempt


def _want(attempt: Attempt, lesson: Lesson, step_id: str | None, *, language: str, now: datetime) -> Attempt:
    """Write the row of the next sandbox. Raises IntegrityError when somebody else has just written it."""
    start_at = step_id if step_id is not None else _resumed_step(attempt, lesson)
    won = Attempt.objects.filter(pk=attempt.pk, generation=attempt.generation).update(
        generation=attempt.generation + 1, current_step=start_at
    )
    if not won:
        raise IntegrityError("the attempt has moved on")
    attempt.generation += 1
    attempt.current_step = start_at
    sandbox = Sandbox.objects.create(
        name=NAME_PREFIX + secrets.token_hex(12),
        attempt=attempt,
        user_id=attempt.user_id,
        backend=settings.BACKEND,
        language=language,
        generation=attempt.generation,
        start_at=start_at,
        created=now,
        touched=now,
        last_activity=now,
        deadline=now + timedelta(minutes=settings.LIFETIME_MINUTES),
    )
    enqueue("provision", sandbox.pk)
    publish_sandbox(sandbox)
    return attempt


def _resumed_step(attempt: Attempt, lesson: Lesson) -> str:
    """Where the learner was; lessons change, so a step that is gone, or the last page, means the first or last step."""
    if lesson.step(attempt.current_step) is not None:
        return attempt.current_step
    if not lesson.steps:
        return ""
    at_the_end = attempt.generation > 0 and attempt.current_step == ""
    return lesson.steps[-1 if at_the_end else 0].id


def reset(
    attempt: Attempt,
    lesson: Lesson,
    *,
    step_id: str | None = None,
    reason: Sandbox.Reason = Sandbox.Reason.RESET,
    language: str = "en",
    now: datetime,
) -> Attempt:
    """End the attempt's sandbox, if any, and have a fresh one wanted in the state of `step_id` or the current step.

    Raises UnknownStep, and AnotherRunning when another lesson's sandbox runs.
    """
    if step_id is not None and lesson.step(step_id) is None:
        raise UnknownStep(step_id)

    def once() -> Attempt:
        fresh = Attempt.objects.get(pk=attempt.pk)
        running = Sandbox.objects.filter(user_id=fresh.user_id, state__in=Sandbox.WANTED).first()
        if running is not None and running.attempt_id != fresh.pk and running.attempt is not None:
            raise AnotherRunning(running.attempt)
        if running is not None:
            finish(running, reason, now=now)
        return _want(fresh, lesson, step_id, language=language, now=now)

    return _until_it_fits(once)


def end(attempt: Attempt, *, reason: Sandbox.Reason = Sandbox.Reason.ENDED, now: datetime) -> None:
    """The attempt's sandbox is no longer wanted. Ending what has ended is no error."""
    for sandbox in Sandbox.objects.filter(attempt=attempt, state__in=Sandbox.WANTED):
        finish(sandbox, reason, now=now)


def end_all(user: AbstractBaseUser, *, reason: Sandbox.Reason, now: datetime) -> None:
    """Nothing of the user's is wanted any more; open pages of theirs are told to close."""
    for sandbox in Sandbox.objects.filter(user_id=user.pk, state__in=Sandbox.WANTED):
        finish(sandbox, reason, now=now)
    if reason == Sandbox.Reason.LEFT:
        for attempt_id in Attempt.objects.filter(user_id=user.pk).values_list("pk", flat=True):
            publish_to_attempt(attempt_id, {"type": "left"})


def finish(sandbox: Sandbox, reason: Sandbox.Reason, *, now: datetime, unless: Q | None = None) -> bool:
    """Mark the sandbox as no longer wanted, if it is still and `unless` does not hold; say whether this call did it."""
    rows = Sandbox.objects.filter(pk=sandbox.pk, state__in=Sandbox.WANTED)
    if unless is not None:
        rows = rows.exclude(unless)
    if not rows.update(state=Sandbox.State.ENDED, reason=reason, ended=now, stage="", warned=None, warned_of=""):
        return False
    enqueue("stop", sandbox.name)
    publish_sandbox(sandbox)
    return True


def extend(attempt: Attempt, *, now: datetime) -> None:
    """Give the running sandbox an hour more, up to the longest life, and count it as activity."""
    for sandbox in Sandbox.objects.filter(attempt=attempt, state__in=Sandbox.WANTED):
        longest = sandbox.created + timedelta(minutes=settings.LONGEST_MINUTES)
        deadline = max(sandbox.deadline, min(now + EXTENSION, longest))
        updated = Sandbox.objects.filter(pk=sandbox.pk, state__in=Sandbox.WANTED).update(
            deadline=deadline, last_activity=now, warned=None, warned_of=""
        )
        if updated:
            publish_sandbox(sandbox)


def activity(attempt_id: UUID | str, *, now: datetime) -> None:
    """The learner did something: the idle time starts anew and a warning of it is withdrawn."""
    rows = Sandbox.objects.filter(attempt_id=attempt_id, state=Sandbox.State.READY)
    rows.filter(last_activity__lt=now).update(last_activity=now)
    if rows.filter(warned_of=Sandbox.Reason.IDLE).update(warned=None, warned_of=""):
        for sandbox in rows:
            publish_sandbox(sandbox)


def speak(attempt: Attempt, language: str) -> None:
    """Events of the running sandbox come in this language: the one of the page that opens a socket now."""
    others = Sandbox.objects.filter(attempt=attempt, state__in=Sandbox.WANTED).exclude(language=language)
    if others.exists():  # an UPDATE waits for the database's one writer also when it finds nothing
        others.update(language=language)


def seen(attempt_id: UUID | str, *, now: datetime) -> None:
    """A page watches the checks of this attempt; the sweep need not."""
    Sandbox.objects.filter(attempt_id=attempt_id, state=Sandbox.State.READY).update(last_seen=now)


def ready_sandbox(attempt: Attempt) -> Sandbox | None:
    """The attempt's sandbox, if it is ready for the learner."""
    return Sandbox.objects.filter(attempt=attempt, state=Sandbox.State.READY).first()


def look_at(attempt: Attempt, step_id: str, *, now: datetime) -> None:
    """The learner has opened a step, or with "" the last page. A step without checks is passed by moving on from it.

    Raises UnknownStep.
    """
    lesson = overview.lesson_of(attempt)
    if lesson is None:
        raise UnknownStep(step_id)
    order = [step.id for step in lesson.steps]
    if step_id and step_id not in order:
        raise UnknownStep(step_id)
    left = lesson.step(attempt.current_step)
    Attempt.objects.filter(pk=attempt.pk).update(current_step=step_id)
    attempt.current_step = step_id
    sandbox = ready_sandbox(attempt)
    if sandbox is None:
        return
    if left is not None and not left.checks and (not step_id or order.index(left.id) < order.index(step_id)):
        verdicts.pass_step(attempt, lesson, left.id, now=now)
    scripts.opened(sandbox, lesson, [step_id])
    publish_to_attempt(attempt.pk, {"type": "step", "step": step_id})


def publish_sandbox(sandbox: Sandbox) -> None:
    """Tell the attempt's pages how the sandbox stands now."""
    if sandbox.attempt_id is not None:
        fresh = Sandbox.objects.select_related("attempt").get(pk=sandbox.pk)
        with translation.override(fresh.language):
            publish_to_attempt(sandbox.attempt_id, {"type": "sandbox", "sandbox": overview.sandbox_state(fresh)})
