from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from sandbox.backend import SandboxError, StartFailed
from tests.tutorials.conftest import NOW, Queue, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt, Sandbox
from tutorials.progress import attempts, provision, stages


def begin(learner: User, lesson: Lesson, step_id: str | None = None) -> Attempt:
    return attempts.begin(learner, "course", lesson, step_id=step_id, now=NOW)


def done_in(backend: FakeBackend) -> list[str]:
    return [what for _, what in backend.scripts]


def test_the_set_up_brings_the_sandbox_into_the_state_of_its_step(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend, events: list[Any]
) -> None:
    attempt = begin(learner, first, "three")
    queue.work()
    assert done_in(backend) == [
        "put /root/run.sh:755=echo",
        "minikube start",
        "set up",
        "intro behind",
        "solve one",
        "in the background",
        "solve two",
    ]
    sandbox = sandbox_of(attempt)
    assert (sandbox.state, sandbox.stage, sandbox.error) == ("ready", "", "")
    told = [event["sandbox"] for _, event in events if event["type"] == "sandbox"]
    assert [(each["state"], each["stage"]) for each in told] == [
        ("requested", ""),
        ("starting", "sandbox"),
        ("starting", "files"),
        ("starting", "cluster"),
        ("starting", "setup"),
        ("starting", "solution:one"),
        ("starting", "solution:two"),
        ("ready", ""),
    ]
    assert told[0]["stages"] == ["sandbox", "files", "cluster", "setup", "solution:one", "solution:two"]


def test_the_first_step_needs_no_solution(learner: User, first: Lesson, queue: Queue, backend: FakeBackend) -> None:
    begin(learner, first)
    queue.work()
    assert "solve one" not in done_in(backend)


def test_solutions_are_shown_while_they_run(learner: User, first: Lesson, queue: Queue, events: list[Any]) -> None:
    begin(learner, first, "two")
    queue.work()
    shown = [event for _, event in events if event["type"] in ("solution", "output")]
    assert shown == [
        {"type": "output", "stage": "setup", "text": "said set up", "status": 0},
        {"type": "output", "stage": "setup", "text": "said intro behind", "status": 0},
        {"type": "solution", "step": "one", "script": "solve one"},
        {"type": "output", "stage": "solution:one", "text": "said solve one", "status": 0},
    ]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("minikube start", "The cluster could not be started."),
        ("set up", "The lesson's set-up did not succeed."),
        ("solve one", "The steps before this one could not be replayed."),
    ],
)
def test_what_fails_is_said_and_the_sandbox_freed(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend, what: str, sentence: str
) -> None:
    backend.status[what] = 3
    attempt = begin(learner, first, "two")
    queue.work()
    sandbox = sandbox_of(attempt)
    assert (sandbox.state, sandbox.reason, sandbox.error) == ("failed", "failed", sentence)
    assert backend.specs == {}


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        (StartFailed("The kernel says no."), "The kernel says no."),
        (TimeoutError(), "Preparing the sandbox took too long."),
        (RuntimeError("secret detail"), "Something went wrong while the sandbox was prepared."),
    ],
)
def test_a_start_that_fails_can_be_tried_again(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend, breaks: Exception, sentence: str
) -> None:
    backend.breaks["start"] = breaks
    attempt = begin(learner, first)
    queue.work()
    assert sandbox_of(attempt).error == sentence
    backend.breaks.clear()
    again = begin(learner, first)
    queue.work()
    assert again == attempt
    assert sandbox_of(attempt).state == "ready"


def test_an_agent_that_is_lost_during_set_up_is_a_failure(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    backend.breaks["set up"] = SandboxError("The sandbox stopped.")
    attempt = begin(learner, first)
    queue.work()
    assert sandbox_of(attempt).error == "The sandbox stopped."


def test_a_full_host_lets_the_learner_wait_with_their_place(
    learner: User, stranger: User, first: Lesson, queue: Queue, backend: FakeBackend, events: list[Any]
) -> None:
    backend.room = 0
    begin(learner, first)
    attempt = attempts.begin(stranger, "course", first, now=NOW)
    queue.work()
    sandbox = sandbox_of(attempt)
    assert (sandbox.state, sandbox.stage) == ("requested", stages.WAITING)
    assert events[-1][1]["sandbox"]["place"] == 2


def test_a_set_up_delivered_twice_runs_once(learner: User, first: Lesson, queue: Queue, backend: FakeBackend) -> None:
    begin(learner, first)
    queue.waiting *= 2
    queue.work()
    assert done_in(backend).count("set up") == 1


def test_a_set_up_for_an_ended_sandbox_does_nothing(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    attempt = begin(learner, first)
    attempts.end(attempt, now=NOW)
    queue.work()
    assert backend.started == []


def test_ending_during_the_set_up_stops_what_was_started(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    attempt = begin(learner, first)

    async def end() -> None:
        await sync_to_async(attempts.end)(attempt, now=NOW)

    backend.hooks["minikube start"] = end
    queue.work()
    assert "set up" not in done_in(backend)
    assert backend.specs == {}
    assert sandbox_of(attempt).state == "ended"


def test_a_run_thought_dead_that_comes_back_changes_nothing(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    attempt = begin(learner, first)

    async def another_takes_over() -> None:
        del backend.hooks["minikube start"]
        await sync_to_async(Sandbox.objects.update)(state="requested")
        await provision.bring_up(sandbox_of_id, backend=backend, client_for=backend.client, clock=lambda: NOW)

    sandbox_of_id = sandbox_of(attempt).pk
    backend.hooks["minikube start"] = another_takes_over
    queue.work()
    sandbox = sandbox_of(attempt)
    assert (sandbox.state, sandbox.tries) == ("ready", 2)
    assert done_in(backend).count("set up") == 1
    assert set(backend.specs) == {sandbox.name}, "the run that lost must not stop the winner's sandbox"


def test_a_long_stage_shows_that_it_is_alive_and_stops_when_unwanted(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "BEAT", 0.01)
    attempt = begin(learner, first)

    async def hang() -> None:
        await sync_to_async(attempts.end)(attempt, now=NOW)
        await asyncio.sleep(60)

    backend.hooks["minikube start"] = hang
    queue.work()
    assert sandbox_of(attempt).state == "ended"
    assert backend.specs == {}


def test_a_lesson_that_is_gone_is_a_failure_with_a_sentence(learner: User, first: Lesson, queue: Queue) -> None:
    attempt = begin(learner, first)
    Attempt.objects.update(lesson="gone")
    queue.work()
    assert sandbox_of(attempt).error == "This lesson no longer exists."
