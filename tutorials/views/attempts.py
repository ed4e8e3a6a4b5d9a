"""What the workbench asks for: start, reset, end, extend, check, and how things stand."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sandbox.backend import SandboxError
from sandbox.client import Verdict
from tutorials import access, backends, guests, tickets
from tutorials.catalogue.lesson import Lesson, Step
from tutorials.catalogue.loader import catalogue
from tutorials.context import resume_url
from tutorials.limits import Limit
from tutorials.models import Attempt
from tutorials.progress import attempts, overview, verdicts
from tutorials.views.answers import Object, Refused, json_post, not_found, not_running, refusal, too_often
from tutorials.views.people import PASSWORD_BACKEND, address_of

# A class of a hundred may sit behind one address, and start in the same minute, twice.
GUESTS = Limit("guests", times=400, seconds=60)
STARTS = Limit("starts", times=20, seconds=60)
CHECKS = Limit("checks", times=60, seconds=60)
TICKETS = Limit("tickets", times=120, seconds=60)
CHECK_SECONDS = 20.0


def _owned(request: HttpRequest, attempt_id: UUID) -> Attempt:
    attempt = access.owned_attempt(request.user, attempt_id)
    if attempt is None:
        raise not_found()
    return attempt


def _lesson_of(attempt: Attempt) -> Lesson:
    lesson = overview.lesson_of(attempt)
    if lesson is None:
        raise not_found()
    return lesson


def _step_of(attempt: Attempt, body: Object) -> Step:
    step = _lesson_of(attempt).step(body.get("step", attempt.current_step))
    if step is None:
        raise attempts.UnknownStep
    return step


def _spend(limit: Limit, who: str) -> None:
    seconds = limit.spend(who, now=time.time())
    if seconds:
        raise too_often(seconds)


@json_post(step=str, replace=bool)
def start(request: HttpRequest, body: Object, course_id: str, lesson_id: str) -> Object:
    """Make what is missing of guest, attempt and sandbox."""
    now = timezone.now()
    lesson = catalogue().lesson(course_id, lesson_id)
    if lesson is None:
        raise not_found()
    step_id = body.get("step")
    if step_id is not None and lesson.step(step_id) is None:
        raise attempts.UnknownStep(step_id)
    new = isinstance(request.user, AnonymousUser)
    _spend(GUESTS if new else STARTS, address_of(request) if new else str(request.user.pk))
    with transaction.atomic():  # one wait for the disk instead of four, when a class starts at once
        if new:
            login(request, guests.create(now), backend=PASSWORD_BACKEND)
        assert not isinstance(request.user, AnonymousUser)
        attempt = attempts.begin(
            request.user,
            course_id,
            lesson,
            step_id=step_id,
            replace=body.get("replace", False),
            language=overview.current_language(),
            now=now,
        )
        answer = overview.state(attempt, now=now)
    if new:
        code = guests.code_of(request.user)
        answer["guest"] = {"code": code, "url": resume_url(request, code)}
    return answer


@never_cache
@require_safe
def state(request: HttpRequest, attempt_id: UUID) -> HttpResponse:
    """How the attempt and its sandbox stand."""
    try:
        return JsonResponse(overview.state(_owned(request, attempt_id), now=timezone.now()))
    except Refused as error:
        return refusal(error)


@json_post(step=str)
def reset(request: HttpRequest, body: Object, attempt_id: UUID) -> Object:
    """A fresh sandbox in the state of a step."""
    now = timezone.now()
    attempt = _owned(request, attempt_id)
    _spend(STARTS, str(attempt.user_id))
    attempt = attempts.reset(
        attempt,
        _lesson_of(attempt),
        step_id=body.get("step"),
        language=overview.current_language(),
        now=now,
    )
    return overview.state(attempt, now=now)


@json_post()
def end(request: HttpRequest, _body: Object, attempt_id: UUID) -> Object:
    """The learner needs the sandbox no longer."""
    now = timezone.now()
    attempt = _owned(request, attempt_id)
    attempts.end(attempt, now=now)
    return overview.state(attempt, now=now)


@json_post()
def extend(request: HttpRequest, _body: Object, attempt_id: UUID) -> Object:
    """More time."""
    now = timezone.now()
    attempt = _owned(request, attempt_id)
    attempts.extend(attempt, now=now)
    return overview.state(attempt, now=now)


@json_post(step=str)
def step(request: HttpRequest, body: Object, attempt_id: UUID) -> Object:
    """The learner looks at another step."""
    now = timezone.now()
    attempt = _owned(request, attempt_id)
    attempts.look_at(attempt, body.get("step", ""), now=now)
    return overview.state(attempt, now=now)


@json_post(step=str)
def check(request: HttpRequest, body: Object, attempt_id: UUID) -> Object:
    """Check a step now."""
    attempt = _owned(request, attempt_id)
    asked = _step_of(attempt, body)
    sandbox = attempts.ready_sandbox(attempt)
    if sandbox is None:
        raise not_running()
    _spend(CHECKS, str(attempt.user_id))
    try:
        found = async_to_sync(_check)(sandbox.name, asked)
    except (SandboxError, OSError, TimeoutError) as error:
        raise Refused(503, "unreachable", str(error) or "The environment did not answer in time.") from error
    verdicts.record(attempt.pk, sandbox.generation, asked.id, found, now=timezone.now())
    return {
        "step": asked.id,
        "passed": verdicts.all_passed(asked, found),
        "checks": verdicts.present(asked, found, overview.current_language()),
    }


async def _check(name: str, asked: Step) -> list[Verdict]:
    if not asked.checks:
        return []
    async with asyncio.timeout(CHECK_SECONDS):
        return list(await backends.client(name).check([check.wire() for check in asked.checks]))


@json_post(step=str)
def answer(request: HttpRequest, body: Object, attempt_id: UUID) -> Object:
    """The answer of a step, for who asks for it."""
    asked = _step_of(_owned(request, attempt_id), body)
    return {"html": overview.words(asked.answer_html, overview.current_language())}


@json_post()
def ticket(request: HttpRequest, _body: Object, attempt_id: UUID) -> Object:
    """The right to open one WebSocket."""
    attempt = _owned(request, attempt_id)
    _spend(TICKETS, str(attempt.user_id))
    attempts.speak(attempt, overview.current_language())
    origin = request.headers.get("Origin") or f"{request.scheme}://{request.get_host()}"
    given: dict[str, Any] = {
        "ticket": tickets.issue(attempt, origin=origin.lower()[:255], now=timezone.now()),
        "expires_in": int(tickets.LIFETIME.total_seconds()),
    }
    return given
