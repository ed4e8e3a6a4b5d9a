from __future__ import annotations

from dataclasses import replace

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from sandbox.backend import SandboxError
from tests.tutorials.conftest import NOW, Queue, sandbox_of
from tests.tutorials.fakes import FakeBackend
from tutorials.catalogue.lesson import Lesson, Script
from tutorials.models import Attempt
from tutorials.progress import attempts, scripts


def done_in(backend: FakeBackend) -> list[str]:
    return [what for _, what in backend.scripts]


def behind(script: str) -> str:
    return f"setsid bash -c '{script}' >/dev/null 2>&1 </dev/null &"


def test_the_intros_scripts_start_with_the_lesson(running: Attempt, backend: FakeBackend) -> None:
    assert done_in(backend)[-4:] == [behind("intro behind"), "attach 1", "type intro before\n", "detach"]


def test_a_steps_script_starts_when_it_is_opened_and_once(running: Attempt, queue: Queue, backend: FakeBackend) -> None:
    for step in ("two", "one", "two"):
        attempts.look_at(running, step, now=NOW)
    queue.work()
    assert done_in(backend).count(behind("in the background")) == 1


def test_a_fresh_sandbox_starts_them_again(running: Attempt, first: Lesson, queue: Queue, backend: FakeBackend) -> None:
    attempts.reset(running, first, now=NOW)
    queue.work()
    assert done_in(backend).count(behind("intro behind")) == 2


def test_what_the_set_up_has_replayed_is_not_started_again(
    learner: User, first: Lesson, queue: Queue, backend: FakeBackend
) -> None:
    attempt = attempts.begin(learner, "course", first, step_id="three", now=NOW)
    queue.work()
    attempts.look_at(attempt, "two", now=NOW)
    queue.work()
    assert [what for what in done_in(backend) if what.startswith(("setsid", "type"))] == []


def test_a_long_script_is_read_from_a_file(first: Lesson, backend: FakeBackend) -> None:
    backend.specs["x"] = None  # type: ignore[assignment]
    text = "echo 1\n" * 1000
    assert first.intro is not None
    page = replace(first.intro, background=None, foreground=Script(text, "fg.sh"))
    async_to_sync(scripts.start)(backend.client("x"), page)
    put, _, typed, _ = done_in(backend)
    assert put == f"put /tmp/foreground.sh:644={text}"
    assert typed == "type source /tmp/foreground.sh\n"


@pytest.mark.parametrize("ended", [True, False])
def test_a_sandbox_that_has_gone_is_left_alone(
    running: Attempt, queue: Queue, backend: FakeBackend, *, ended: bool
) -> None:
    attempts.look_at(running, "two", now=NOW)
    if ended:
        attempts.end(running, now=NOW)
    else:
        backend.breaks[behind("in the background")] = SandboxError("gone")
    queue.work()
    assert (behind("in the background") in done_in(backend)) is not ended
    assert sandbox_of(running).state == ("ended" if ended else "ready")
