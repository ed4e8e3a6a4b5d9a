from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from sandbox.backend import SandboxError, SandboxSpec
from tests.tutorials.conftest import NOW, Queue, sandbox_of, touch
from tests.tutorials.fakes import FakeBackend
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt, Sandbox
from tutorials.progress import attempts, reaping

MINUTE = timedelta(minutes=1)


@pytest.fixture
def sweep(backend: FakeBackend, queue: Queue) -> Any:
    def run(now: datetime) -> None:
        async_to_sync(reaping.sweep)(backend, now=now)
        queue.work()

    return run


def test_a_used_sandbox_is_left_alone(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    sweep(NOW + 10 * MINUTE)
    assert sandbox_of(running).state == "ready"
    assert sandbox_of(running).warned is None
    assert backend.stopped == []


def test_an_idle_sandbox_is_warned_then_ended_with_the_reason(
    running: Attempt, sweep: Any, backend: FakeBackend, events: list[Any]
) -> None:
    sweep(NOW + 55 * MINUTE)
    assert events[-1][1]["sandbox"]["warning"] == {"of": "idle", "ends": (NOW + 60 * MINUTE).isoformat()}
    sweep(NOW + 59 * MINUTE)
    assert sandbox_of(running).state == "ready"
    sweep(NOW + 60 * MINUTE)
    sandbox = sandbox_of(running)
    assert (sandbox.state, sandbox.reason) == ("ended", "idle")
    assert backend.specs == {}
    assert "nothing was done" in events[-1][1]["sandbox"]["message"]


def test_activity_after_the_warning_saves_it(running: Attempt, sweep: Any) -> None:
    sweep(NOW + 56 * MINUTE)
    attempts.activity(running.pk, now=NOW + 59 * MINUTE)
    sweep(NOW + 61 * MINUTE)
    assert sandbox_of(running).state == "ready"
    assert sandbox_of(running).warned is None


def test_a_keystroke_during_the_sweep_saves_it(running: Attempt, sweep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(NOW + 56 * MINUTE)

    def type_now(items: Any, _: int, what: str) -> Any:
        if "idle" in what:
            assert len(items) == 1
            attempts.activity(running.pk, now=NOW + 61 * MINUTE)
        return items

    monkeypatch.setattr(reaping, "_portion", type_now)
    sweep(NOW + 61 * MINUTE)
    assert sandbox_of(running).state == "ready"


def test_the_deadline_ends_also_a_busy_one_after_a_warning(running: Attempt, sweep: Any) -> None:
    for minutes in (236, 239, 241):
        attempts.activity(running.pk, now=NOW + minutes * MINUTE)
        sweep(NOW + minutes * MINUTE)
    assert sandbox_of(running).reason == "deadline"


def test_extending_answers_the_warning(running: Attempt, sweep: Any) -> None:
    attempts.activity(running.pk, now=NOW + 236 * MINUTE)
    sweep(NOW + 236 * MINUTE)
    attempts.extend(running, now=NOW + 237 * MINUTE)
    sweep(NOW + 241 * MINUTE)
    assert sandbox_of(running).state == "ready"


def test_a_clock_that_jumps_ahead_costs_a_warning_not_the_work(running: Attempt, sweep: Any) -> None:
    sweep(NOW + timedelta(days=1))
    assert sandbox_of(running).state == "ready"
    sweep(NOW + 10 * MINUTE)
    assert sandbox_of(running).warned is None
    assert sandbox_of(running).state == "ready"


def test_a_warning_from_the_future_counts_for_nothing(running: Attempt, sweep: Any) -> None:
    Sandbox.objects.update(warned=NOW + timedelta(days=1), warned_of="idle")
    sweep(NOW + 70 * MINUTE)
    sandbox = sandbox_of(running)
    assert (sandbox.state, sandbox.warned) == ("ready", NOW + 70 * MINUTE)


def test_the_brake_lets_one_sweep_end_only_a_portion(
    first: Lesson, queue: Queue, sweep: Any, transactional_db: None
) -> None:
    for number in range(20):
        attempt = attempts.begin(User.objects.create(username=f"u{number}"), "course", first, now=NOW)
        queue.work()
        touch(attempt, at=NOW)
    sweep(NOW + 70 * MINUTE)
    sweep(NOW + 75 * MINUTE)
    assert Sandbox.objects.filter(state="ended").count() == 6
    for more in range(4):
        sweep(NOW + (76 + more) * MINUTE)
    assert Sandbox.objects.filter(state="ready").count() == 0


def test_what_nobody_wants_is_stopped_but_not_what_is_not_ours(sweep: Any, backend: FakeBackend, db: None) -> None:
    backend.specs = {"learner-orphan": SandboxSpec(), "run-by-hand": SandboxSpec()}
    sweep(NOW)
    assert set(backend.specs) == {"run-by-hand"}


def test_one_that_cannot_be_stopped_does_not_keep_the_others(sweep: Any, backend: FakeBackend, db: None) -> None:
    backend.specs = {"learner-poison": SandboxSpec(), "learner-orphan": SandboxSpec()}
    backend.breaks["stop learner-poison"] = SandboxError("stuck")
    sweep(NOW)
    assert set(backend.specs) == {"learner-poison"}


def test_a_backend_that_does_not_answer_proves_nothing(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    backend.breaks["list"] = SandboxError("hung")
    sweep(NOW + MINUTE)
    assert sandbox_of(running).state == "ready"


def test_a_lost_sandbox_is_replaced_at_the_same_step(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    attempts.look_at(running, "three", now=NOW)
    lost = sandbox_of(running)
    backend.dead.add(lost.name)
    sweep(NOW + MINUTE)
    lost.refresh_from_db()
    assert lost.reason == "lost"
    fresh = sandbox_of(running)
    assert (fresh.state, fresh.start_at, fresh.generation) == ("ready", "three", 2)
    assert set(backend.specs) == {fresh.name}


def test_who_went_away_gets_no_replacement(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    backend.specs.clear()
    sweep(NOW + 30 * MINUTE)
    assert sandbox_of(running).reason == "lost"
    assert backend.specs == {}


def test_a_sandbox_that_dies_again_and_again_is_not_replaced_for_ever(
    running: Attempt, sweep: Any, backend: FakeBackend
) -> None:
    for _ in range(6):
        backend.specs.clear()
        Sandbox.objects.update(last_activity=NOW)
        sweep(NOW + MINUTE)
    assert Sandbox.objects.count() == 3
    assert sandbox_of(running).state == "ended"


def test_a_list_that_forgets_a_living_sandbox_ends_nothing(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    backend.unlisted.add(sandbox_of(running).name)
    sweep(NOW + MINUTE)
    assert sandbox_of(running).state == "ready"


def test_a_request_that_was_lost_on_the_way_is_taken_on(learner: User, first: Lesson, queue: Queue, sweep: Any) -> None:
    attempt = attempts.begin(learner, "course", first, now=NOW)
    queue.waiting.clear()
    sweep(NOW + timedelta(seconds=2))
    assert sandbox_of(attempt).state == "requested"
    sweep(NOW + timedelta(seconds=6))
    assert sandbox_of(attempt).state == "ready"


def test_a_set_up_whose_worker_died_is_done_again_in_a_fresh_sandbox(
    learner: User, first: Lesson, queue: Queue, sweep: Any, backend: FakeBackend
) -> None:
    attempt = attempts.begin(learner, "course", first, now=NOW)
    name = sandbox_of(attempt).name
    queue.waiting.clear()
    Sandbox.objects.update(state="starting", tries=1, touched=NOW)
    backend.specs[name] = SandboxSpec()
    sweep(NOW + timedelta(seconds=29))
    assert sandbox_of(attempt).state == "starting"
    sweep(NOW + timedelta(seconds=31))
    assert sandbox_of(attempt).state == "ready"
    assert backend.stopped == [name]
    assert backend.started == [name]


def test_a_set_up_that_kills_its_workers_fails_in_the_end(
    learner: User, first: Lesson, queue: Queue, sweep: Any, backend: FakeBackend
) -> None:
    attempt = attempts.begin(learner, "course", first, now=NOW)
    queue.waiting.clear()
    Sandbox.objects.update(state="starting", crashes=3, touched=NOW)
    sweep(NOW + MINUTE)
    assert sandbox_of(attempt).state == "failed"


def test_who_waits_for_room_gets_it_in_turn(
    learner: User, stranger: User, first: Lesson, queue: Queue, sweep: Any, backend: FakeBackend
) -> None:
    backend.room = 0
    earlier = attempts.begin(learner, "course", first, now=NOW)
    later = attempts.begin(stranger, "course", first, now=NOW + timedelta(seconds=1))
    queue.work()
    backend.room = 1
    sweep(NOW + timedelta(seconds=10))
    assert sandbox_of(earlier).state == "ready"
    assert sandbox_of(later).state == "requested"
    attempts.end(earlier, now=NOW)
    queue.work()
    sweep(NOW + timedelta(seconds=20))
    assert sandbox_of(later).state == "ready"


def test_sweeping_twice_at_once_is_harmless(running: Attempt, sweep: Any, backend: FakeBackend) -> None:
    sweep(NOW + 56 * MINUTE)
    sweep(NOW + 56 * MINUTE)
    sweep(NOW + 61 * MINUTE)
    sweep(NOW + 61 * MINUTE)
    assert Sandbox.objects.filter(reason="idle").count() == 1
