from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.tutorials.conftest import NOW, page_client, write_lesson
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt
from tutorials.progress import attempts, verdicts

pytestmark = pytest.mark.django_db


def context_of(client: Client, path: str, **headers: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.context


def test_the_catalogue_shows_every_course(client: Client) -> None:
    (course,) = context_of(client, "/")["courses"]
    assert [lesson["id"] for lesson in course["lessons"]] == ["first", "second"]
    assert (course["steps"], course["passed"], course["minutes"]) == (4, 0, 10)
    assert {lesson["progress"] for lesson in course["lessons"]} == {"new"}


def test_progress_is_the_learners_own(running: Attempt, learner: User, stranger: User, first: Lesson) -> None:
    verdicts.pass_step(running, first, "one", now=NOW)
    mine = context_of(page_client(learner), "/course/")["course"]["lessons"][0]
    assert (mine["passed"], mine["progress"], mine["running"]) == (1, "started", True)
    theirs = context_of(page_client(stranger), "/course/")["course"]["lessons"][0]
    assert (theirs["passed"], theirs["progress"], theirs["running"]) == (0, "new", False)


def test_progress_is_kept_when_the_sandbox_is_gone(running: Attempt, learner: User, first: Lesson) -> None:
    for step in first.steps:
        verdicts.pass_step(running, first, step.id, now=NOW)
    attempts.end(running, now=NOW)
    mine = context_of(page_client(learner), "/")["courses"][0]["lessons"][0]
    assert (mine["passed"], mine["progress"], mine["running"]) == (3, "done", False)


def test_a_step_that_left_the_lesson_is_not_counted(running: Attempt, learner: User, first: Lesson) -> None:
    verdicts.pass_step(running, first, "renamed", now=NOW)
    assert context_of(page_client(learner), "/")["courses"][0]["passed"] == 0


def test_texts_come_in_the_readers_language(client: Client) -> None:
    page = context_of(client, "/course/first/", **{"accept-language": "ko"})
    assert page["lesson"]["title"] == "첫째"
    assert page["objectives"] == ["배우기"]
    assert page["language"] == "ko"
    assert page["lesson"]["in_language"] is False, "its pages are in English only"
    assert "An idea" in page["concept"]["html"]


def test_the_switch_sets_the_language_for_good(client: Client) -> None:
    answer = client.post("/language", {"language": "ko", "next": "/course/"})
    assert (answer.status_code, answer["Location"]) == (302, "/course/")
    assert context_of(client, "/course/first/")["lesson"]["title"] == "첫째"
    assert client.cookies["quayside_language"]["max-age"] == 365 * 24 * 3600


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_switch_leads_nowhere_else(client: Client, target: str) -> None:
    answer = client.post("/language", {"language": "ko", "next": target})
    assert "evil" not in answer["Location"]


def test_the_workbench_is_read_without_a_sandbox(client: Client) -> None:
    page = context_of(client, "/course/first/do/")
    assert page["state"] is None
    assert [(step["id"], step["number"], step["current"]) for step in page["steps"]] == [
        ("one", 1, True),
        ("two", 2, False),
        ("three", 3, False),
    ]
    assert page["steps"][0]["tasks"] == ["Web runs"]
    assert page["steps"][0]["commands"][0]["text"] == "ls"
    assert page["addresses"]["start"] == "/course/first/start"
    assert page["addresses"]["attempt"]["reset"] == "/attempts/{attempt}/reset"
    assert page["next"]["id"] == "second"
    assert page["previous"] is None


def test_the_workbench_shows_where_the_learner_is(running: Attempt, learner: User, first: Lesson) -> None:
    attempts.look_at(running, "two", now=NOW)
    verdicts.pass_step(running, first, "one", now=NOW)
    page = context_of(page_client(learner), "/course/first/do/")
    assert [(step["passed"], step["current"]) for step in page["steps"]] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert page["state"]["sandbox"]["state"] == "ready"


def test_after_a_finished_attempt_it_is_still_shown(running: Attempt, learner: User, first: Lesson) -> None:
    for step in first.steps:
        verdicts.pass_step(running, first, step.id, now=NOW)
    attempts.end(running, now=NOW)
    page = context_of(page_client(learner), "/course/first/do/")
    assert page["state"]["finished"] is True
    assert all(step["passed"] for step in page["steps"])


def test_only_staff_see_what_is_wrong_with_lessons(lessons: Path, learner: User) -> None:
    write_lesson(lessons / "course" / "second", {"details": {}}, {})
    assert context_of(page_client(learner), "/")["problems"] == []
    User.objects.update(is_staff=True)
    (problem,) = context_of(page_client(learner), "/")["problems"]
    assert problem["path"] == "course/second/index.json"


@pytest.mark.parametrize("path", ["/none/", "/course/none/", "/course/none/do/", "/none/first/", "/course/first/x/"])
def test_what_is_not_there_is_a_404_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert b"<html" in answer.content


def test_a_page_costs_few_queries(running: Attempt, learner: User, django_assert_max_num_queries: Any) -> None:
    client = page_client(learner)
    with django_assert_max_num_queries(12):
        client.get("/course/first/do/")
