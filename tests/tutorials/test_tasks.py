from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from sandbox.backend import SandboxError, SandboxSpec
from tests.tutorials.conftest import page_client, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials import tasks, tickets
from tutorials.models import Attempt, Ticket

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_late_stop_does_not_stop_what_is_wanted(running: Attempt, backend: FakeBackend) -> None:
    tasks.stop_sandbox(sandbox_of(running).name)
    assert backend.stopped == []


def test_a_stop_that_fails_is_left_to_the_sweep(backend: FakeBackend) -> None:
    backend.specs["learner-a"] = SandboxSpec()
    backend.breaks["stop"] = SandboxError("hung")
    tasks.stop_sandbox("learner-a")
    backend.breaks.clear()
    tasks.sweep()
    assert backend.specs == {}


@pytest.mark.parametrize("task", [tasks.provision_sandbox, lambda number: tasks.start_scripts(number, "one")])
def test_work_for_a_row_that_is_gone_is_dropped(task: object, backend: FakeBackend) -> None:
    task(4711)  # type: ignore[operator]
    assert (backend.started, backend.scripts) == ([], [])


def test_what_has_run_out_is_removed_and_nothing_else(running: Attempt, learner: User) -> None:
    page_client(learner)
    old = page_client(learner).session.session_key
    Session.objects.filter(session_key=old).update(expire_date=timezone.now() - timedelta(days=1))
    tickets.issue(running, origin="http://localhost:8000", now=timezone.now() - timedelta(days=1))
    tasks.tidy()
    assert Session.objects.count() == 1
    assert Ticket.objects.count() == 0
