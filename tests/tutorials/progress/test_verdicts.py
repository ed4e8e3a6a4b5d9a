from __future__ import annotations

from typing import Any

import pytest

from sandbox.client import Verdict
from tests.tutorials.conftest import NOW, sandbox_of
from tutorials.catalogue.lesson import Lesson
from tutorials.models import Attempt, Sandbox
from tutorials.progress import attempts, overview, verdicts

PASSED = [Verdict(passed=True)]


def test_verdicts_that_all_pass_pass_the_step(running: Attempt, events: list[Any]) -> None:
    assert verdicts.record(running.pk, 1, "one", PASSED, now=NOW)
    assert events == [
        (f"attempt.{running.pk.hex}", {"type": "passed", "step": "one", "passed": ["one"], "finished": False})
    ]


@pytest.mark.parametrize(
    ("generation", "step", "found"),
    [
        (1, "one", [Verdict(passed=False, reason="absent")]),
        (1, "one", []),
        (1, "one", PASSED * 2),
        (1, "two", []),
        (1, "nine", PASSED),
        (0, "one", PASSED),
        (2, "one", PASSED),
    ],
)
def test_anything_less_passes_nothing(running: Attempt, generation: int, step: str, found: list[Verdict]) -> None:
    assert not verdicts.record(running.pk, generation, step, found, now=NOW)
    assert overview.passed_steps(running) == []


def test_a_verdict_from_before_a_reset_counts_for_nothing(running: Attempt, first: Lesson) -> None:
    attempts.reset(running, first, now=NOW)
    assert not verdicts.record(running.pk, 1, "one", PASSED, now=NOW)
    assert not verdicts.record(running.pk, 2, "one", PASSED, now=NOW), "the new one is not ready yet"


def test_the_last_step_finishes_the_lesson(running: Attempt) -> None:
    verdicts.record(running.pk, 1, "one", PASSED, now=NOW)
    attempts.look_at(running, "two", now=NOW)
    attempts.look_at(running, "three", now=NOW)
    running.refresh_from_db()
    assert running.finished is None
    verdicts.record(running.pk, 1, "three", PASSED, now=NOW)
    running.refresh_from_db()
    assert running.finished == NOW
    assert sandbox_of(running).state == Sandbox.State.READY, "the learner may go on playing"


@pytest.mark.parametrize(
    ("verdict", "language", "hint"),
    [
        (Verdict(passed=True), "en", ""),
        (Verdict(passed=False, reason="absent"), "en", "No web yet."),
        (Verdict(passed=False, reason="absent"), "ko", "web이 없습니다."),
        (Verdict(passed=False, reason="case:0", actual="1"), "en", "Only 1."),
        (Verdict(passed=False, reason="case:0", actual="1"), "ko", "Only 1."),
        (Verdict(passed=False, reason="case:7", actual="9"), "en", "It has 9."),
        (Verdict(passed=False, reason="case:x", actual="9"), "en", "It has 9."),
        (Verdict(passed=False, reason="otherwise", actual="9"), "en", "It has 9."),
        (Verdict(passed=False, reason="otherwise", actual="{actual}"), "en", "It has {actual}."),
        (Verdict(passed=False, reason="otherwise", actual="x" * 5000), "en", f"It has {'x' * 500}."),
    ],
)
def test_each_way_to_fall_short_has_its_hint(first: Lesson, verdict: Verdict, language: str, hint: str) -> None:
    (shown,) = verdicts.present(first.steps[0], [verdict], language)
    assert shown["hint"] == hint


def test_a_check_that_could_not_be_made_is_no_failure(first: Lesson) -> None:
    (shown,) = verdicts.present(first.steps[0], [Verdict(passed=False, reason="error")], "en")
    assert "could not be checked" in shown["hint"]
