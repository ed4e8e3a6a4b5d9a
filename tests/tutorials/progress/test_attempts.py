from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections

from tests.tutorials.conftest import NOW, Queue, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt, PassedStep, Sandbox
from tutorials.progress import attempts, overview, verdicts


def test_beginning_wants_a_sandbox_at_the_first_step(learner: User, first: Lesson, queue: Queue) -> None:
    attempt = attempts.begin(learner, "course", first, now=NOW)
    sandbox = sandbox_of(attempt)
    assert (sandbox.state, sandbox.start_at, sandbox.generation) == ("requested", "one", 1)
    assert sandbox.deadline == NOW + timedelta(hours=4)
    assert queue.waiting == [("provision", (sandbox.pk,))]


def test_beginning_twice_is_beginning_once(learner: User, first: Lesson) -> None:
    attempt = attempts.begin(learner, "course", first, now=NOW)
    again = attempts.begin(learner, "course", first, now=NOW)
    assert again == attempt
    assert Sandbox.objects.count() == 1


def test_two_tabs_at_the_same_moment_get_one_sandbox(learner: User, first: Lesson) -> None:
    def begin(_: int) -> Any:
        try:
            return attempts.begin(learner, "course", first, now=NOW).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as tabs:
        found = set(tabs.map(begin, range(8)))
    assert len(found) == 1
    assert Sandbox.objects.count() == 1


def test_another_lesson_is_refused_with_the_name_of_the_running_one(
    running: Attempt, learner: User, second: Lesson
) -> None:
    with pytest.raises(attempts.AnotherRunning) as refused:
        attempts.begin(learner, "course", second, now=NOW)
    assert refused.value.attempt == running
    assert Attempt.objects.count() == 1


def test_another_lesson_replaces_the_running_one_when_asked(
    running: Attempt, learner: User, second: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    old = sandbox_of(running)
    attempt = attempts.begin(learner, "course", second, replace=True, now=NOW)
    queue.work()
    old.refresh_from_db()
    assert (old.state, old.reason) == ("ended", "replaced")
    assert set(backend.specs) == {sandbox_of(attempt).name}


def test_starting_at_a_step_replaces_the_sandbox(running: Attempt, learner: User, first: Lesson) -> None:
    attempt = attempts.begin(learner, "course", first, step_id="three", now=NOW)
    assert attempt == running
    sandbox = sandbox_of(attempt)
    assert (sandbox.generation, sandbox.start_at, sandbox.state) == (2, "three", "requested")


def test_starting_again_goes_on_where_the_learner_was(running: Attempt, learner: User, first: Lesson) -> None:
    attempts.look_at(running, "two", now=NOW)
    attempts.end(running, now=NOW)
    attempt = attempts.begin(learner, "course", first, now=NOW)
    assert attempt == running
    assert sandbox_of(attempt).start_at == "two"


def test_a_step_that_the_lesson_no_longer_has_means_the_first(running: Attempt, learner: User, first: Lesson) -> None:
    Attempt.objects.update(current_step="long-gone")
    attempts.end(running, now=NOW)
    assert sandbox_of(attempts.begin(learner, "course", first, now=NOW)).start_at == "one"


def test_a_finished_lesson_begins_afresh_and_keeps_its_ticks(running: Attempt, learner: User, first: Lesson) -> None:
    for step in first.steps:
        verdicts.pass_step(running, first, step.id, now=NOW)
    attempts.end(running, now=NOW)
    attempt = attempts.begin(learner, "course", first, now=NOW)
    assert attempt != running
    assert overview.passed_steps(attempt) == []
    assert overview.progress_of(learner).finished == {("course", "first")}


@pytest.mark.parametrize("step_id", ["", "nine", "../one"])
def test_an_unknown_step_is_refused(learner: User, first: Lesson, step_id: str) -> None:
    with pytest.raises(attempts.UnknownStep):
        attempts.begin(learner, "course", first, step_id=step_id, now=NOW)
    assert Sandbox.objects.count() == 0


def test_reset_ends_the_old_sandbox_and_keeps_the_ticks(
    running: Attempt, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    verdicts.pass_step(running, first, "one", now=NOW)
    old = sandbox_of(running)
    attempts.reset(running, first, now=NOW)
    queue.work()
    old.refresh_from_db()
    assert (old.state, old.reason) == ("ended", "reset")
    assert set(backend.specs) == {sandbox_of(running).name}
    assert overview.passed_steps(running) == ["one"]


def test_resets_from_many_tabs_leave_one_sandbox(
    running: Attempt, first: Lesson, backend: FakeBackend, queue: Queue
) -> None:
    def reset(_: int) -> None:
        try:
            attempts.reset(running, first, now=NOW)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(reset, range(8)))
    queue.work()
    assert Sandbox.objects.filter(state__in=Sandbox.WANTED).count() == 1
    assert set(backend.specs) == {sandbox_of(running).name}


def test_ending_twice_is_ending_once(running: Attempt, queue: Queue, backend: FakeBackend) -> None:
    name = sandbox_of(running).name
    attempts.end(running, now=NOW)
    attempts.end(running, now=NOW)
    queue.work()
    assert backend.stopped == [name]
    assert sandbox_of(running).reason == "ended"


def test_extending_moves_the_deadline_up_to_the_longest_life(running: Attempt) -> None:
    attempts.extend(running, now=NOW + timedelta(hours=3, minutes=30))
    assert sandbox_of(running).deadline == NOW + timedelta(hours=4, minutes=30)
    attempts.extend(running, now=NOW + timedelta(hours=11, minutes=30))
    assert sandbox_of(running).deadline == NOW + timedelta(hours=12)


def test_activity_never_goes_back_and_withdraws_a_warning(running: Attempt, events: list[Any]) -> None:
    Sandbox.objects.update(warned=NOW, warned_of="idle")
    attempts.activity(running.pk, now=NOW + timedelta(minutes=1))
    attempts.activity(running.pk, now=NOW)
    sandbox = sandbox_of(running)
    assert sandbox.last_activity == NOW + timedelta(minutes=1)
    assert sandbox.warned is None
    assert [event["sandbox"]["warning"] for _, event in events] == [None]


def test_moving_on_passes_a_step_without_checks(running: Attempt) -> None:
    attempts.look_at(running, "two", now=NOW)
    assert overview.passed_steps(running) == []
    attempts.look_at(running, "three", now=NOW)
    assert overview.passed_steps(running) == ["two"]


def test_going_back_or_reading_without_a_sandbox_passes_nothing(running: Attempt) -> None:
    attempts.look_at(running, "two", now=NOW)
    attempts.look_at(running, "one", now=NOW)
    attempts.look_at(running, "two", now=NOW)
    attempts.end(running, now=NOW)
    attempts.look_at(running, "three", now=NOW)
    assert overview.passed_steps(running) == []


def test_leaving_ends_everything_and_tells_the_pages(running: Attempt, learner: User, events: list[Any]) -> None:
    attempts.end_all(learner, reason=Sandbox.Reason.LEFT, now=NOW)
    assert sandbox_of(running).reason == "left"
    assert events[-1] == (f"attempt.{running.pk.hex}", {"type": "left"})


def test_passing_twice_is_once(running: Attempt, first: Lesson, events: list[Any]) -> None:
    assert verdicts.pass_step(running, first, "one", now=NOW)
    assert not verdicts.pass_step(running, first, "one", now=NOW)
    assert PassedStep.objects.count() == 1
    assert len(events) == 1
