"""What pages show of lessons and of a learner's way through them. Reads only. The shapes are in docs/site.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language, gettext

from tutorials.catalogue.lesson import Course, Lesson, Page, Step
from tutorials.catalogue.loader import catalogue
from tutorials.models import Attempt, PassedStep, Sandbox
from tutorials.progress import stages

Object = dict[str, Any]
User = AbstractBaseUser | AnonymousUser


def words(text: Mapping[str, str], language: str) -> str:
    """The text in that language, else in English, else in any."""
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


@dataclass(frozen=True)
class LearnerProgress:
    """A learner's way through all lessons, over all their attempts."""

    passed: Mapping[tuple[str, str], set[str]]
    attempted: set[tuple[str, str]]
    finished: set[tuple[str, str]]
    running: tuple[str, str] | None


def progress_of(user: User) -> LearnerProgress:
    """Three queries, whatever the number of lessons."""
    if not user.is_authenticated:
        return LearnerProgress({}, set(), set(), None)
    passed: dict[tuple[str, str], set[str]] = {}
    rows = PassedStep.objects.filter(attempt__user_id=user.pk).values_list("attempt__course", "attempt__lesson", "step")
    for course, lesson, step in rows:
        passed.setdefault((course, lesson), set()).add(step)
    attempts = list(Attempt.objects.filter(user_id=user.pk).values_list("course", "lesson", "finished"))
    now_running = _running_attempt(user)
    return LearnerProgress(
        passed,
        {(course, lesson) for course, lesson, _ in attempts},
        {(course, lesson) for course, lesson, finished in attempts if finished},
        (now_running.course, now_running.lesson) if now_running else None,
    )


def _running_attempt(user: User) -> Attempt | None:
    row = Sandbox.objects.filter(user_id=user.pk or 0, state__in=Sandbox.WANTED).select_related("attempt").first()
    return row.attempt if row else None


def running(user: User) -> Object | None:
    """The lesson for which the learner has a sandbox now."""
    if not user.is_authenticated:
        return None
    attempt = _running_attempt(user)
    return describe_attempt(attempt) if attempt else None


def lesson_of(attempt: Attempt) -> Lesson | None:
    """The attempt's lesson as it is in the catalogue now."""
    return catalogue().lesson(attempt.course, attempt.lesson)


def describe_attempt(attempt: Attempt) -> Object:
    """Where an attempt is, for *running* and `another-running`."""
    lesson = lesson_of(attempt)
    return {
        "course": attempt.course,
        "lesson": attempt.lesson,
        "title": words(lesson.title, current_language()) if lesson else attempt.lesson,
        "url": reverse("workbench", args=[attempt.course, attempt.lesson]),
        "attempt": str(attempt.pk),
    }


def current_language() -> str:
    """The page's language."""
    return get_language() or settings.LANGUAGE_CODE


def course_card(course: Course, progress: LearnerProgress, language: str) -> Object:
    """A course with its lessons."""
    lessons = [
        lesson_card(course, lesson, number, progress, language) for number, lesson in enumerate(course.lessons, start=1)
    ]
    minutes = [lesson.minutes for lesson in course.lessons if lesson.minutes]
    return {
        "id": course.id,
        "title": words(course.title, language),
        "description": words(course.description, language),
        "picture": _file(course.id, course.lessons[0].id, course.picture) if course.picture and course.lessons else "",
        "url": reverse("course", args=[course.id]),
        "lessons": lessons,
        "passed": sum(lesson["passed"] for lesson in lessons),
        "steps": sum(lesson["steps"] for lesson in lessons),
        "minutes": sum(minutes) if minutes else None,
    }


def lesson_card(course: Course, lesson: Lesson, number: int, progress: LearnerProgress, language: str) -> Object:
    """A lesson as lists show it."""
    key = (course.id, lesson.id)
    ids = {step.id for step in lesson.steps}
    passed = len(ids & progress.passed.get(key, set()))
    done = key in progress.finished or (bool(ids) and passed == len(ids))
    return {
        "id": lesson.id,
        "number": number,
        "title": words(lesson.title, language),
        "description": words(lesson.description, language),
        "picture": _file(course.id, lesson.id, lesson.picture),
        "minutes": lesson.minutes,
        "url": reverse("lesson", args=key),
        "workbench_url": reverse("workbench", args=key),
        "start_url": reverse("start", args=key),
        "steps": len(ids),
        "passed": passed,
        "progress": "done" if done else "started" if key in progress.attempted else "new",
        "running": progress.running == key,
        "languages": list(lesson.languages),
        "has_concept": lesson.concept is not None,
        "in_language": language in lesson.languages,
    }


def _file(course_id: str, lesson_id: str, path: str) -> str:
    return reverse("lesson-file", args=[course_id, lesson_id, path]) if path else ""


def page(content: Page | None, language: str) -> Object | None:
    """A page of prose; None also for one that has only scripts."""
    if content is None or not content.html:
        return None
    return {"title": words(content.title, language), "html": words(content.html, language)}


def step_view(step: Step, number: int, *, passed: bool, current: bool, language: str) -> Object:
    """A step as the workbench shows it; its answer and scripts are not in it."""
    return {
        "id": step.id,
        "number": number,
        "title": words(step.title, language),
        "html": words(step.html, language),
        "hint": words(step.hint, language),
        "has_answer": bool(step.answer_html),
        "commands": list(step.commands),
        "tasks": [words(check.title, language) for check in step.checks],
        "passed": passed,
        "current": current,
        "url": f"#step-{step.id}",
    }


def newest_attempt(user: User, course_id: str, lesson_id: str) -> Attempt | None:
    """The attempt that the workbench shows: the unfinished one, else the last."""
    if not user.is_authenticated:
        return None
    attempts = Attempt.objects.filter(user_id=user.pk, course=course_id, lesson=lesson_id)
    with_sandbox = attempts.filter(sandboxes__state__in=Sandbox.WANTED).first()
    return with_sandbox or attempts.filter(finished=None).first() or attempts.order_by("-created").first()


def passed_steps(attempt: Attempt) -> list[str]:
    """Ids of the steps passed in this attempt, in the order of passing."""
    return list(PassedStep.objects.filter(attempt=attempt).order_by("at", "pk").values_list("step", flat=True))


def state(attempt: Attempt, *, now: datetime, language: str | None = None) -> Object:
    """Everything a page needs to know of an attempt and its sandbox, in the page's language or the one given."""
    with translation.override(language or current_language()):
        return _state(attempt, now)


def _state(attempt: Attempt, now: datetime) -> Object:
    attempt = Attempt.objects.get(pk=attempt.pk)
    sandbox = Sandbox.objects.filter(attempt=attempt).select_related("attempt").order_by("-generation").first()
    return {
        "attempt": str(attempt.pk),
        "course": attempt.course,
        "lesson": attempt.lesson,
        "step": attempt.current_step,
        "passed": passed_steps(attempt),
        "finished": attempt.finished is not None,
        "now": now.isoformat(),
        "sandbox": sandbox_state(sandbox) if sandbox else None,
    }


def sandbox_state(sandbox: Sandbox) -> Object:
    """A sandbox as pages see it; its name stays with us."""
    attempt = sandbox.attempt
    lesson = lesson_of(attempt) if attempt else None
    return {
        "generation": sandbox.generation,
        "state": sandbox.state,
        "stage": sandbox.stage,
        "stages": stages.plan(lesson, sandbox.start_at) if lesson else [],
        "place": _place(sandbox),
        "reason": sandbox.reason,
        "error": gettext(sandbox.error) if sandbox.error else "",
        "message": _message(sandbox),
        "deadline": sandbox.deadline.isoformat(),
        "warning": _warning(sandbox),
    }


def _place(sandbox: Sandbox) -> int | None:
    """How many wait with it, itself included and up to it; None when it does not wait for room."""
    if sandbox.state != Sandbox.State.REQUESTED or sandbox.stage != stages.WAITING:
        return None
    return Sandbox.objects.filter(
        state=Sandbox.State.REQUESTED, stage=stages.WAITING, created__lte=sandbox.created
    ).count()


def idle_end(sandbox: Sandbox) -> datetime:
    """When the sandbox ends if its learner does nothing."""
    return sandbox.last_activity + timedelta(minutes=settings.IDLE_MINUTES)


def _warning(sandbox: Sandbox) -> Object | None:
    if sandbox.warned is None or not sandbox.wanted:
        return None
    limit = sandbox.deadline if sandbox.warned_of == Sandbox.Reason.DEADLINE else idle_end(sandbox)
    ends = max(limit, sandbox.warned + timedelta(minutes=settings.WARNING_MINUTES))
    return {"of": sandbox.warned_of, "ends": ends.isoformat()}


def _message(sandbox: Sandbox) -> str:
    """Why the sandbox is not there any more, for the learner."""
    if sandbox.state != Sandbox.State.ENDED:
        return ""
    reason = Sandbox.Reason
    return {
        reason.ENDED: gettext("You ended this sandbox. Your progress is kept."),
        reason.LEFT: gettext("This sandbox was ended when you left the computer. Your progress is kept."),
        reason.REPLACED: gettext("This sandbox was ended because you started another lesson. Your progress is kept."),
        reason.RESET: gettext("This sandbox was replaced by a fresh one."),
        reason.IDLE: gettext(
            "This sandbox was ended because nothing was done in it for a while. Your progress is kept."
        ),
        reason.DEADLINE: gettext("This sandbox was ended because its time was up. Your progress is kept."),
        reason.LOST: gettext("This sandbox stopped unexpectedly. Your progress is kept."),
    }.get(Sandbox.Reason(sandbox.reason), "")


def neighbours(course: Course, lesson: Lesson, cards: Sequence[Object]) -> tuple[Object | None, Object | None]:
    """The cards of the lessons before and after."""
    index = next((i for i, known in enumerate(course.lessons) if known.id == lesson.id), 0)
    return (cards[index - 1] if index else None), (cards[index + 1] if index + 1 < len(cards) else None)
