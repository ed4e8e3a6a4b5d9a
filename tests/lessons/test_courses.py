"""Every lesson that we ship, played for real: no step is done on a fresh sandbox, each is after its solution."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.backends.local import LocalBackend
from sandbox.image.tools import TOOLS
from tutorials.catalogue.lint import lint
from tutorials.catalogue.loader import Catalogue
from tutorials.catalogue.rehearsal import rehearse
from tutorials.hosting.own_launcher import launcher

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
CATALOGUE = Catalogue([LESSONS])
ALL = [(course.id, lesson.id) for course in CATALOGUE.courses() for lesson in course.lessons]


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    data = tmp_path_factory.mktemp("data")
    with launcher(data, data / "none.sock") as socket:
        yield LocalBackend(socket)


def test_there_are_lessons_and_none_has_a_problem() -> None:
    assert ALL != []
    assert [str(problem) for problem in CATALOGUE.problems()] == []


@pytest.mark.parametrize(("course", "lesson"), ALL)
def test_lint_finds_nothing(course: str, lesson: str) -> None:
    found = CATALOGUE.lesson(course, lesson)
    assert found is not None
    assert [str(problem) for problem in lint(found, tools=[tool.command for tool in TOOLS])] == []


@pytest.mark.parametrize(("course", "lesson"), ALL)
def test_both_languages_are_whole(course: str, lesson: str) -> None:
    found = CATALOGUE.lesson(course, lesson)
    assert found is not None
    assert tuple(found.languages) == ("en", "ko")
    texts = [found.title, found.description, *(step.title for step in found.steps)]
    texts += [text for step in found.steps for check in step.checks for text in (check.title, check.absent) if text]
    assert [text for text in texts if set(text) != {"en", "ko"}] == []


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("course", "lesson"), ALL)
def test_every_step_can_be_done(course: str, lesson: str, backend: LocalBackend) -> None:
    found = CATALOGUE.lesson(course, lesson)
    assert found is not None
    outcomes = asyncio.run(rehearse(found, backend=backend))
    assert [str(outcome) for outcome in outcomes if outcome.state != "passed"] == []
