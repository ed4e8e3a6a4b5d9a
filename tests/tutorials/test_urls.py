"""The route matrix: what every address answers to a visitor, a stranger and the owner. A new address must be added."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.urls import URLPattern, get_resolver, reverse

from tests.tutorials.conftest import page_client
from tutorials.models import Attempt, Guest, PassedStep, Sandbox, Ticket

LESSON = {"course_id": "course", "lesson_id": "first"}

# name → (arguments, method, visitor, stranger, owner); "attempt" stands for the owner's attempt
MATRIX: dict[str, tuple[dict[str, str], str, int, int, int]] = {
    "catalogue": ({}, "GET", 200, 200, 200),
    "healthz": ({}, "GET", 200, 200, 200),
    "readyz": ({}, "GET", 503, 503, 503),
    "language": ({}, "POST", 302, 302, 302),
    "resume": ({}, "GET", 200, 200, 200),
    "resume-code": ({"code": "abcd-efgh-jkmn"}, "GET", 200, 200, 200),
    "leave": ({}, "POST", 200, 200, 200),
    "admin-link": ({"token": "invented"}, "POST", 403, 403, 403),
    "course": ({"course_id": "course"}, "GET", 200, 200, 200),
    "lesson": (LESSON, "GET", 200, 200, 200),
    "workbench": (LESSON, "GET", 200, 200, 200),
    "lesson-file": (LESSON | {"file": "assets/first.svg"}, "GET", 200, 200, 200),
    "start": (LESSON, "POST", 200, 200, 200),
    "state": ({"attempt_id": "attempt"}, "GET", 404, 404, 200),
    "reset": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "end": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "extend": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "step": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "check": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "answer": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
    "ticket": ({"attempt_id": "attempt"}, "POST", 404, 404, 200),
}


def routes() -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern


def address(name: str, attempt: Attempt) -> str:
    arguments = {key: str(attempt.pk) if value == "attempt" else value for key, value in MATRIX[name][0].items()}
    return reverse(name, kwargs=arguments)


def ask(user: User | None, name: str, attempt: Attempt, method: str) -> Any:
    body = {} if method in ("GET", "HEAD") else {"data": "{}", "content_type": "application/json"}
    if name == "language" and method == "POST":
        body = {"data": {"language": "ko"}}
    return getattr(page_client(user), method.lower())(address(name, attempt), **body)


def test_every_address_is_in_the_matrix() -> None:
    assert {pattern.name for pattern in routes()} == set(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
def test_visitors_strangers_and_owners_get_what_is_theirs(
    name: str, running: Attempt, learner: User, stranger: User
) -> None:
    _, method, visitor, other, owner = MATRIX[name]
    found = [ask(user, name, running, method).status_code for user in (None, stranger, learner)]
    assert found == [visitor, other, owner]


@pytest.mark.parametrize("name", [name for name, row in MATRIX.items() if row[2] == 404])
def test_what_is_a_strangers_looks_like_what_never_was(name: str, running: Attempt, stranger: User) -> None:
    method = MATRIX[name][1]
    theirs = ask(stranger, name, running, method)
    never = ask(stranger, name, Attempt(), method)
    assert (theirs.status_code, theirs.content) == (never.status_code, never.content)
    assert set(json.loads(theirs.content)) == {"error", "message"}


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_changes_nothing_and_starts_nothing(
    name: str, method: str, running: Attempt, learner: User, queue: Any
) -> None:
    def everything() -> list[Any]:
        tables = (User, Guest, Attempt, PassedStep, Sandbox, Ticket)
        return [list(table.objects.order_by("pk").values()) for table in tables]

    page_client(learner)
    for user in (None, learner):
        client = page_client(user)
        before, sessions = everything(), Session.objects.count()
        getattr(client, method.lower())(address(name, running))
        assert everything() == before
        assert Session.objects.count() == sessions
        assert queue.waiting == []


@pytest.mark.parametrize("name", [name for name, row in MATRIX.items() if row[1] == "POST"])
def test_what_changes_something_needs_the_token(name: str, running: Attempt, learner: User) -> None:
    client = page_client(learner)
    client.handler.enforce_csrf_checks = True
    answer = client.post(address(name, running), "{}", content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["error"] == "csrf"


@pytest.mark.parametrize(
    "name",
    [name for name, row in MATRIX.items() if row[1] == "POST" and name not in ("language", "resume", "admin-link")],
)
def test_only_post_changes_something(name: str, running: Attempt, learner: User) -> None:
    client = page_client(learner)
    assert client.get(address(name, running)).status_code == 405
    assert client.put(address(name, running)).status_code == 405
