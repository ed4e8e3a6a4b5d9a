from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync

from sandbox.backend import SandboxError
from sandbox.client import Verdict
from tests.tutorials.conftest import NOW
from tests.tutorials.fakes import FakeBackend
from tutorials.models import Attempt
from tutorials.progress import attempts, overview, unwatched


def look(backend: FakeBackend, seconds: int) -> None:
    async_to_sync(unwatched.check_without_page)(backend.client, now=NOW + timedelta(seconds=seconds))


def test_work_done_without_a_page_is_recorded(running: Attempt, backend: FakeBackend) -> None:
    backend.verdicts = [Verdict(passed=True)]
    look(backend, 10)
    assert overview.passed_steps(running) == ["one"]


@pytest.mark.parametrize(("seen", "now", "asked"), [(0, 30, False), (0, 90, True), (0, 1300, False)])
def test_only_unwatched_and_recent_ones_are_asked(
    running: Attempt, backend: FakeBackend, seen: int, now: int, asked: bool
) -> None:
    attempts.seen(running.pk, now=NOW + timedelta(seconds=seen))
    backend.scripts.clear()
    look(backend, now)
    assert bool(backend.scripts) == asked


def test_a_step_without_checks_is_not_asked(running: Attempt, backend: FakeBackend) -> None:
    attempts.look_at(running, "two", now=NOW)
    backend.scripts.clear()
    look(backend, 10)
    assert backend.scripts == []


def test_a_sandbox_that_does_not_answer_is_left_for_the_next_time(running: Attempt, backend: FakeBackend) -> None:
    backend.breaks["check"] = SandboxError("busy")
    look(backend, 10)
    assert overview.passed_steps(running) == []
