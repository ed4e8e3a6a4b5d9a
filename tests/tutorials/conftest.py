"""A site with two small lessons, a fake backend, and a queue that tests work off by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connections
from django.test import Client

from tests.tutorials.fakes import FakeBackend
from tutorials import backends, celery, tasks
from tutorials.catalogue.lesson import Lesson
from tutorials.catalogue.loader import catalogue
from tutorials.models import Attempt, Sandbox
from tutorials.progress import attempts

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

FIRST = {
    "title": {"en": "First", "ko": "첫째"},
    "minutes": 10,
    "picture": "assets/first.svg",
    "objectives": {"en": ["Learn"], "ko": ["배우기"]},
    "sandbox": {"cluster": True, "setup": "setup.sh"},
    "details": {
        "concept": {"title": "Idea", "text": "concept.md"},
        "intro": {"courseData": "intro-bg.sh", "code": "intro-fg.sh"},
        "steps": [
            {
                "id": "one",
                "title": {"en": "One", "ko": "하나"},
                "text": "one.md",
                "solution": "one.sh",
                "answer": "answer.md",
                "checks": [
                    {
                        "title": {"en": "Web runs", "ko": "web 실행"},
                        "resource": "deployments",
                        "name": "web",
                        "expression": "{.spec.replicas}",
                        "equals": "2",
                        "absent": {"en": "No web yet.", "ko": "web이 없습니다."},
                        "cases": [{"matches": "^1$", "hint": {"en": "Only {actual}."}}],
                        "otherwise": {"en": "It has {actual}."},
                    }
                ],
            },
            {"id": "two", "title": "Two", "text": "two.md", "solution": "two.sh", "background": "bg.sh"},
            {"id": "three", "title": "Three", "text": "three.md", "checks": [{"port": 8001}]},
        ],
        "assets": {"host01": [{"file": "run.sh", "target": "/root", "chmod": "+x"}]},
    },
}
FIRST_FILES = {
    "concept.md": "An idea",
    "one.md": "Do `ls`{{execute}}",
    "two.md": "Look",
    "three.md": "End",
    "answer.md": "**Type** this",
    "setup.sh": "set up",
    "one.sh": "solve one",
    "two.sh": "solve two",
    "bg.sh": "in the background",
    "intro-bg.sh": "intro behind",
    "intro-fg.sh": "intro before",
    "assets/run.sh": "echo",
    "assets/first.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "assets/secret.txt": "no picture",
}
SECOND = {"title": "Second", "details": {"steps": [{"id": "only", "title": "Only", "text": "only.md"}]}}


def write_lesson(folder: Path, index: Any, files: dict[str, str]) -> None:
    for name, text in {"index.json": json.dumps(index), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database in a file: the in-memory one locks tables between threads as no real one does."""
    connections["default"].settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def lessons(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The lesson folder of the site: course `course` with `first` and `second`."""
    root = tmp_path / "lessons"
    write_lesson(root / "course" / "first", FIRST, FIRST_FILES)
    write_lesson(root / "course" / "second", SECOND, {"only.md": "Look"})
    settings.LESSON_DIRECTORIES = [root]
    settings.WHITENOISE_USE_FINDERS = False  # each test client would look at every static file first: 20 ms
    catalogue.cache_clear()
    cache.clear()
    yield root
    catalogue.cache_clear()


@pytest.fixture
def first() -> Lesson:
    found = catalogue().lesson("course", "first")
    assert found is not None, catalogue().problems()
    return found


@pytest.fixture
def second() -> Lesson:
    found = catalogue().lesson("course", "second")
    assert found is not None, catalogue().problems()
    return found


@dataclass
class Queue:
    """What has been handed to Celery."""

    waiting: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def work(self, *, only: str | None = None) -> None:
        """Run what waits, until nothing does."""
        while self.waiting:
            name, arguments = self.waiting.pop(0)
            if only is None or name == only:
                tasks.TASKS[name](*arguments)  # type: ignore[operator]


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    found = Queue()
    monkeypatch.setattr(celery, "_send", lambda task, arguments: found.waiting.append((task, arguments)))
    return found


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    found = FakeBackend()
    monkeypatch.setattr(backends, "backend", lambda: found)
    monkeypatch.setattr(backends, "client", found.client)
    return found


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has been published, as (group, event)."""
    found: list[Any] = []
    monkeypatch.setattr("tutorials.publish.publish", lambda group, event: found.append((group, event)))
    return found


@pytest.fixture
def learner(transactional_db: None) -> User:
    return User.objects.create(username="learner")


@pytest.fixture
def stranger(transactional_db: None) -> User:
    return User.objects.create(username="stranger")


@pytest.fixture
def running(learner: User, first: Lesson, queue: Queue) -> Attempt:
    """The learner's attempt at `first` with a ready sandbox, begun at NOW."""
    attempt = attempts.begin(learner, "course", first, now=NOW)
    queue.work()
    touch(attempt, at=NOW)
    return attempt


def touch(attempt: Attempt, *, at: datetime) -> None:
    """Put the sandbox's times where the test has its clock."""
    Sandbox.objects.filter(attempt=attempt).update(
        last_activity=at, touched=at, created=at, deadline=at + timedelta(minutes=django_settings.LIFETIME_MINUTES)
    )


def sandbox_of(attempt: Attempt) -> Sandbox:
    """The attempt's newest sandbox."""
    return Sandbox.objects.filter(attempt=attempt).latest("generation")


Post = Callable[..., Any]


@pytest.fixture
def post() -> Post:
    """POST JSON as the page's scripts do."""

    def send(client: Client, path: str, **body: Any) -> Any:
        return client.post(path, json.dumps(body), content_type="application/json")

    return send


def page_client(user: User | None = None) -> Client:
    """A browser, logged in as `user`."""
    client = Client()
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
