"""The one reader of lessons: finds courses under the lesson folders and keeps them current while they are edited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from tutorials.catalogue.lesson import Course, Lesson, Object, Problem
from tutorials.catalogue.markdown import slug
from tutorials.catalogue.reader import read_lesson
from tutorials.catalogue.source import LessonError, Source

Signature = tuple[tuple[str, int, int], ...]
_INDEXES = ("index.json", "index.yaml", "index.yml")
_DEPTH = 4


class Catalogue:
    """All courses under `roots`. A lesson whose newest save is broken stays as it last was good.

    `look_every` seconds pass between two looks at the files; `clock` gives seconds.
    """

    def __init__(
        self, roots: Sequence[Path], *, look_every: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._roots = tuple(roots)
        self._look_every = look_every
        self._clock = clock
        self._looked: float | None = None
        self._good: dict[Path, tuple[Signature, Lesson | None, tuple[Problem, ...]]] = {}
        self._courses: list[Course] = []
        self._problems: list[Problem] = []
        self._turn = threading.Lock()

    def courses(self) -> list[Course]:
        """The courses, in the order of their roots and names."""
        self._refresh()
        return list(self._courses)

    def course(self, course_id: str) -> Course | None:
        """The course of that id."""
        return next((course for course in self.courses() if course.id == course_id), None)

    def lesson(self, course_id: str, lesson_id: str) -> Lesson | None:
        """The lesson of that id in that course."""
        course = self.course(course_id)
        return next((lesson for lesson in course.lessons if lesson.id == lesson_id), None) if course else None

    def problems(self) -> list[Problem]:
        """What is wrong or doubtful in the files as they are now."""
        self._refresh()
        return list(self._problems)

    def _refresh(self) -> None:
        """One thread looks, the others take what is there."""
        now = self._clock()
        if self._looked is not None and now - self._looked < self._look_every:
            return
        if not self._turn.acquire(blocking=self._looked is None):
            return
        try:
            self._look()
            self._looked = now
        finally:
            self._turn.release()

    def _look(self) -> None:
        courses: list[Course] = []
        problems: list[Problem] = []
        for root in self._roots:
            for folder in _course_folders(root):
                course = self._course(root, folder, problems)
                if course.lessons and course.id not in {known.id for known in courses}:
                    courses.append(course)
        self._courses, self._problems = courses, problems

    def _course(self, root: Path, folder: Path, problems: list[Problem]) -> Course:
        course_id = slug(folder.name)
        source = Source(folder, root=root)
        described: Object = {}
        if (folder / "structure.json").is_file():
            try:
                described = source.read_object("structure.json")
            except LessonError as error:
                problems.append(error.problem)
        lessons = [
            lesson
            for path in _lesson_folders(folder, described)
            if (lesson := self._lesson(root, path, course_id, problems)) is not None
        ]
        title, description = _course_words(source, described, folder, problems)
        return Course(course_id, folder, title, description, tuple(lessons), str(described.get("picture", "")))

    def _lesson(self, root: Path, folder: Path, course_id: str, problems: list[Problem]) -> Lesson | None:
        signature = _signature(folder)
        known = self._good.get(folder)
        if known is None or known[0] != signature:
            known = (signature, *self._read(root, folder, course_id, known[1] if known else None))
            self._good[folder] = known
        problems.extend(known[2])
        return known[1]

    def _read(
        self, root: Path, folder: Path, course_id: str, last: Lesson | None
    ) -> tuple[Lesson | None, tuple[Problem, ...]]:
        source = Source(folder, root=root)
        try:
            lesson = read_lesson(source, link=lambda path: f"/{course_id}/{folder.name}/files/{path}")
        except LessonError as error:
            return last, (error.problem, *source.problems)
        return lesson, tuple(source.problems)


def _course_words(
    source: Source, described: Object, folder: Path, problems: list[Problem]
) -> tuple[dict[str, str], dict[str, str]]:
    try:
        title = source.words(described.get("title"), field="title") or {"": folder.name}
        description = source.words(described.get("description"), field="description")
    except LessonError as error:
        problems.append(error.problem)
        return {"en": folder.name}, {}
    return {key or "en": text for key, text in title.items()}, {key or "en": text for key, text in description.items()}


def _is_lesson(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _INDEXES)


def _course_folders(root: Path) -> list[Path]:
    """Folders that hold lessons: those with a structure.json, and parents of lesson folders."""
    found: list[Path] = []
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        children = sorted(child for child in _children(folder) if not child.name.startswith((".", "_")))
        if (folder / "structure.json").is_file() or any(_is_lesson(child) for child in children):
            found.append(folder)
        if depth < _DEPTH:
            pending.extend((child, depth + 1) for child in children if not _is_lesson(child))
    return sorted(found)


def _children(folder: Path) -> list[Path]:
    try:
        return [child for child in folder.iterdir() if child.is_dir()]
    except OSError:
        return []


def _lesson_folders(folder: Path, described: Object) -> list[Path]:
    """What structure.json lists, in its order; without one, every lesson folder by name."""
    items = described.get("items")
    if not isinstance(items, list):
        return sorted(child for child in _children(folder) if _is_lesson(child) and not child.name.startswith("."))
    paths = [folder / str(item["path"]) for item in items if isinstance(item, dict) and "path" in item]
    return [path for path in paths if _is_lesson(path)]


def _signature(folder: Path) -> Signature:
    """Changes whenever a file of the lesson does."""
    found: list[tuple[str, int, int]] = []
    for path in sorted(folder.rglob("*")):
        try:
            status = path.stat()
        except OSError:
            continue
        if not path.is_dir():
            found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)


@cache
def catalogue() -> Catalogue:
    """The site's catalogue: LESSON_DIRECTORIES of the settings."""
    from django.conf import settings  # noqa: PLC0415 - the catalogue itself knows no Django

    return Catalogue([Path(folder) for folder in settings.LESSON_DIRECTORIES])
