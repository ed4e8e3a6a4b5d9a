from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sandbox.backend import SandboxGone
from sandbox.client import Verdict
from tests.tutorials.conftest import Post, Queue, page_client, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials import tickets
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt, Guest, Sandbox
from tutorials.progress import attempts, overview

pytestmark = pytest.mark.django_db(transaction=True)

START = "/course/first/start"


def test_start_makes_a_guest_an_attempt_and_a_sandbox(
    client: Client, post: Post, queue: Queue, backend: FakeBackend
) -> None:
    answer = post(client, START)
    assert answer.status_code == 200
    state = answer.json()
    assert state["sandbox"]["state"] == "requested"
    assert state["guest"]["url"] == f"http://testserver/resume/{state['guest']['code']}"
    queue.work()
    state = client.get(f"/attempts/{state['attempt']}/state").json()
    assert state["sandbox"]["state"] == "ready"
    assert "guest" not in state
    assert len(backend.specs) == 1


def test_start_twice_is_once_and_one_guest(client: Client, post: Post) -> None:
    first, second = post(client, START).json(), post(client, START).json()
    assert first["attempt"] == second["attempt"]
    assert "guest" not in second
    assert (Guest.objects.count(), Sandbox.objects.count()) == (1, 1)


def test_a_token_from_before_the_start_is_renewed_in_the_cookie(post: Post) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/course/first/do/")

    def send(path: str) -> Any:
        return client.post(
            path, "{}", content_type="application/json", headers={"x-csrftoken": client.cookies["quayside_csrf"].value}
        )

    state = send(START).json()
    assert send(f"/attempts/{state['attempt']}/ticket").status_code == 200


def test_the_cookie_lasts_ninety_days(client: Client, post: Post) -> None:
    post(client, START)
    cookie = client.cookies["quayside_session"]
    assert cookie["max-age"] == 90 * 24 * 3600
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_another_lesson_names_the_running_one_and_replaces_it_when_told(
    running: Attempt, learner: User, post: Post
) -> None:
    client = page_client(learner)
    refused = post(client, "/course/second/start")
    assert refused.status_code == 409
    assert refused.json()["other"] == {
        "course": "course",
        "lesson": "first",
        "title": "First",
        "url": "/course/first/do/",
        "attempt": str(running.pk),
    }
    assert post(client, "/course/second/start", replace=True).json()["lesson"] == "second"
    assert sandbox_of(running).reason == "replaced"


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        '"x"',
        '{"step": 1}',
        '{"step": ""}',
        '{"step": "nine"}',
        '{"replace": "yes"}',
        '{"image": "x"}',
        '{"user": 1, "is_staff": true}',
        "[" * 100_000,
    ],
)
def test_a_wrong_body_starts_nothing(client: Client, body: str) -> None:
    answer = client.post(START, body, content_type="application/json")
    assert answer.status_code in (400, 413)
    assert answer.json()["error"] in ("bad-request", "too-large")
    assert User.objects.count() == 0
    assert Sandbox.objects.count() == 0


def test_a_form_of_another_site_is_no_body(client: Client) -> None:
    assert client.post(START, {"step": "one"}).status_code == 400
    assert client.post(START, '{"step": "one"}', content_type="text/plain").status_code == 400


@pytest.mark.parametrize("path", ["/course/none/start", "/none/first/start", "/course/..%2Ffirst/start"])
def test_a_lesson_that_is_not_there_cannot_be_started(client: Client, post: Post, path: str) -> None:
    assert post(client, path).status_code == 404
    assert User.objects.count() == 0


def test_starting_too_often_is_slowed_down(learner: User, post: Post) -> None:
    client = page_client(learner)
    codes = [post(client, START).status_code for _ in range(21)]
    assert codes == [200] * 20 + [429]
    answer = post(client, START)
    assert answer.json()["error"] == "slow-down"
    assert 0 < int(answer["Retry-After"]) <= 60


def test_reset_gives_a_fresh_sandbox_at_the_step(running: Attempt, learner: User, post: Post, queue: Queue) -> None:
    state = post(page_client(learner), f"/attempts/{running.pk}/reset", step="three").json()
    assert state["step"] == "three"
    assert state["sandbox"]["generation"] == 2
    assert state["sandbox"]["stages"][-2:] == ["solution:one", "solution:two"]


def test_end_says_why_in_the_pages_language(running: Attempt, learner: User, post: Post) -> None:
    state = post(page_client(learner), f"/attempts/{running.pk}/end").json()
    assert (state["sandbox"]["state"], state["sandbox"]["reason"]) == ("ended", "ended")
    assert state["sandbox"]["message"] == "You ended this sandbox. Your progress is kept."


def test_looking_at_steps_is_remembered(running: Attempt, learner: User, post: Post) -> None:
    client = page_client(learner)
    assert post(client, f"/attempts/{running.pk}/step", step="two").json()["step"] == "two"
    assert post(client, f"/attempts/{running.pk}/step", step="").json()["passed"] == ["two"]
    assert post(client, f"/attempts/{running.pk}/step", step="nine").status_code == 400


def test_check_explains_and_passes(running: Attempt, learner: User, post: Post, backend: FakeBackend) -> None:
    client = page_client(learner)
    path = f"/attempts/{running.pk}/check"
    backend.verdicts = [Verdict(passed=False, reason="case:0", actual="1")]
    assert post(client, path, step="one").json() == {
        "step": "one",
        "passed": False,
        "checks": [{"title": "Web runs", "passed": False, "hint": "Only 1."}],
    }
    backend.verdicts = [Verdict(passed=True)]
    assert post(client, path, step="one").json()["passed"] is True
    assert client.get(f"/attempts/{running.pk}/state").json()["passed"] == ["one"]


def test_a_learner_cannot_say_that_they_passed(running: Attempt, learner: User, post: Post) -> None:
    client = page_client(learner)
    assert post(client, f"/attempts/{running.pk}/check", step="one", passed=True).status_code == 400
    assert post(client, f"/attempts/{running.pk}/step", step="one", passed=["one"]).status_code == 400


def test_check_without_a_sandbox_or_an_answer_says_so(
    running: Attempt, learner: User, post: Post, backend: FakeBackend
) -> None:
    client = page_client(learner)
    backend.breaks["check"] = SandboxGone("The sandbox is gone.")
    answer = post(client, f"/attempts/{running.pk}/check", step="one")
    assert (answer.status_code, answer.json()["error"]) == (503, "unreachable")
    post(client, f"/attempts/{running.pk}/end")
    answer = post(client, f"/attempts/{running.pk}/check", step="one")
    assert (answer.status_code, answer.json()["error"]) == (409, "not-running")


def test_the_answer_comes_only_when_asked_for(running: Attempt, learner: User, post: Post) -> None:
    client = page_client(learner)
    page = client.get("/course/first/do/").content.decode()
    assert "<strong>Type" not in page
    assert "solve one" not in page
    assert "<strong>Type</strong>" in post(client, f"/attempts/{running.pk}/answer", step="one").json()["html"]


def test_a_ticket_is_for_the_page_that_asked(running: Attempt, learner: User) -> None:
    client = page_client(learner)
    answer = client.post(
        f"/attempts/{running.pk}/ticket",
        "{}",
        content_type="application/json",
        headers={"origin": "http://localhost:8000"},
    )
    given = json.loads(answer.content)
    assert given["expires_in"] == 60
    ticket = tickets.Ticket.objects.get()
    assert (ticket.origin, ticket.user_id, ticket.attempt_id) == ("http://localhost:8000", learner.pk, running.pk)


def test_events_come_in_the_language_of_the_page_that_listens(
    running: Attempt, learner: User, events: list[Any]
) -> None:
    client = page_client(learner)
    client.post("/language", {"language": "ko"})
    client.post(f"/attempts/{running.pk}/ticket", "{}", content_type="application/json")
    attempts.end(running, now=timezone.now())
    assert events[-1][1]["sandbox"]["message"].startswith("실습 환경을")
    assert overview.state(running, now=timezone.now(), language="en")["sandbox"]["message"].startswith("You ended")


def test_answers_are_not_kept_in_caches(running: Attempt, learner: User, post: Post) -> None:
    client = page_client(learner)
    for answer in (client.get(f"/attempts/{running.pk}/state"), post(client, f"/attempts/{running.pk}/ticket")):
        assert "no-store" in answer["Cache-Control"]


def test_the_sandboxes_name_stays_with_us(running: Attempt, learner: User, first: Lesson) -> None:
    client = page_client(learner)
    name = sandbox_of(running).name
    assert name not in client.get(f"/attempts/{running.pk}/state").content.decode()
    assert name not in client.get("/course/first/do/").content.decode()
