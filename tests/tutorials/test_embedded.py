"""The worker and the clock run here for real, in threads, over the broker in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from tests.tutorials.fakes import FakeBackend
from tutorials import celery, embedded, tasks
from tutorials.catalogue.lesson import Lesson
from tutorials.celery import app
from tutorials.embedded import Workers
from tutorials.models import Sandbox
from tutorials.progress import attempts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workers() -> Iterator[Workers]:
    found = embedded.start_workers()
    yield found
    found.stop()
    connections.close_all()


def test_work_handed_over_is_done_in_a_thread(
    workers: Workers, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    seen: list[str] = []

    async def stop(name: str) -> None:
        seen.append(f"{name} in {threading.current_thread() is threading.main_thread()}")
        done.set()

    monkeypatch.setattr(backend, "stop", stop)
    app.send_task("tutorials.stop", ["learner-a"])
    assert done.wait(10)
    assert seen == ["learner-a in False"]


def test_a_task_that_fails_does_not_end_the_worker(
    workers: Workers, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    async def stop(name: str) -> None:
        if name == "learner-a":
            raise ZeroDivisionError
        done.set()

    monkeypatch.setattr(backend, "stop", stop)
    for name in ("learner-a", "learner-b"):
        app.send_task("tutorials.stop", [name])
    assert done.wait(10)


def test_a_set_up_that_the_last_process_left_half_done_goes_on_at_once(
    learner: User, first: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts.begin(learner, "course", first, now=timezone.now())
    Sandbox.objects.update(state="starting", tries=1, touched=timezone.now())
    monkeypatch.setattr(celery, "_send", lambda task, arguments: app.send_task(f"tutorials.{task}", list(arguments)))
    workers = embedded.start_workers()
    try:
        deadline = time.monotonic() + 10
        while not Sandbox.objects.filter(state="ready", tries=2).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        workers.stop()
        connections.close_all()


def test_every_task_that_is_handed_over_or_scheduled_exists() -> None:
    names = {f"tutorials.{name}" for name in tasks.TASKS}
    assert names <= set(app.tasks)
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= names
    assert celery.app.conf.task_serializer == "json"
    assert celery.app.conf.accept_content == ["json"]
