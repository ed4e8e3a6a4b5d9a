"""The pages that are read: catalogue, course, concept page, workbench. They change nothing and start nothing."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from tutorials.catalogue.lesson import Course, Lesson
from tutorials.catalogue.loader import catalogue as the_catalogue
from tutorials.progress import overview

Object = dict[str, Any]

_ATTEMPT = "00000000-0000-0000-0000-000000000000"


@require_safe
@ensure_csrf_cookie
def catalogue(request: HttpRequest) -> HttpResponse:
    """All courses."""
    language = overview.current_language()
    progress = overview.progress_of(request.user)
    courses = [overview.course_card(course, progress, language) for course in the_catalogue().courses()]
    return render(request, "catalogue.html", {"courses": courses, "problems": _problems(request)})


@require_safe
@ensure_csrf_cookie
def course(request: HttpRequest, course_id: str) -> HttpResponse:
    """A course and its lessons."""
    found = _course(course_id)
    card = overview.course_card(found, overview.progress_of(request.user), overview.current_language())
    return render(request, "course.html", {"course": card})


@require_safe
@ensure_csrf_cookie
def lesson(request: HttpRequest, course_id: str, lesson_id: str) -> HttpResponse:
    """What a lesson is about."""
    found, context = _lesson(request, course_id, lesson_id)
    language = overview.current_language()
    context |= {
        "concept": overview.page(found.concept, language),
        "objectives": _sentences(found.objectives, language),
        "summary": _sentences(found.summary, language),
    }
    return render(request, "lesson.html", context)


@require_safe
@ensure_csrf_cookie
def workbench(request: HttpRequest, course_id: str, lesson_id: str) -> HttpResponse:
    """The lesson's steps beside the terminal."""
    found, context = _lesson(request, course_id, lesson_id)
    language = overview.current_language()
    attempt = overview.newest_attempt(request.user, course_id, lesson_id)
    state = overview.state(attempt, now=timezone.now()) if attempt else None
    passed = set(state["passed"]) if state else set()
    looked_at = state["step"] if state else None
    if looked_at is None or (looked_at and found.step(looked_at) is None):
        looked_at = found.steps[0].id if found.steps else ""
    context |= {
        "intro": overview.page(found.intro, language),
        "finish": overview.page(found.finish, language),
        "steps": [
            overview.step_view(step, number, passed=step.id in passed, current=step.id == looked_at, language=language)
            for number, step in enumerate(found.steps, start=1)
        ],
        "state": state,
        "addresses": _addresses(context),
    }
    return render(request, "workbench.html", context)


def _course(course_id: str) -> Course:
    found = the_catalogue().course(course_id)
    if found is None:
        raise Http404
    return found


def _lesson(request: HttpRequest, course_id: str, lesson_id: str) -> tuple[Lesson, Object]:
    """The lesson, and what both of its pages show around it."""
    course = _course(course_id)
    found = next((lesson for lesson in course.lessons if lesson.id == lesson_id), None)
    if found is None:
        raise Http404
    card = overview.course_card(course, overview.progress_of(request.user), overview.current_language())
    previous, following = overview.neighbours(course, found, card["lessons"])
    return found, {
        "course": card,
        "lesson": next(lesson for lesson in card["lessons"] if lesson["id"] == lesson_id),
        "previous": previous,
        "next": following,
        "problems": _problems(request, found),
    }


def _sentences(texts: Any, language: str) -> list[str]:
    return list(texts.get(language) or texts.get("en") or next(iter(texts.values()), ()))


def _problems(request: HttpRequest, lesson: Lesson | None = None) -> list[Object]:
    """What authors should mend; learners are not bothered with it."""
    if not getattr(request.user, "is_staff", False):
        return []
    return [
        {"path": problem.path, "line": problem.line, "message": problem.message, "severity": problem.severity}
        for problem in the_catalogue().problems()
        if lesson is None or f"{lesson.path.parent.name}/{lesson.path.name}/" in f"/{problem.path}"
    ]


def _addresses(context: Object) -> Object:
    """Where the workbench's scripts turn."""

    def of_attempt(name: str) -> str:
        return reverse(name, args=[_ATTEMPT]).replace(_ATTEMPT, "{attempt}")

    names = ("state", "reset", "end", "extend", "step", "check", "answer", "ticket")
    return {
        "start": context["lesson"]["start_url"],
        "attempt": {name: of_attempt(name) for name in names}
        | {
            "terminal": "/ws/attempts/{attempt}/terminals/{terminal}",
            "events": "/ws/attempts/{attempt}/events",
        },
        "leave": reverse("leave"),
        "next": context["next"]["url"] if context["next"] else "",
    }
