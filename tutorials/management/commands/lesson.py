"""`manage.py lesson new|lint|test PATH…`: what an author does with a lesson before learners see it."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox.backend import SandboxError
from sandbox.backends.choose import choose
from sandbox.image.tools import TOOLS
from tutorials.catalogue.draft import write_draft
from tutorials.catalogue.lesson import Lesson, Problem
from tutorials.catalogue.lint import lint
from tutorials.catalogue.reader import read_lesson
from tutorials.catalogue.rehearsal import Outcome, junit, rehearse
from tutorials.catalogue.source import LessonError, Source
from tutorials.hosting.own_launcher import launcher


class Command(BaseCommand):
    """The author's commands."""

    help = "Makes, lints and tests lessons."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command each."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, text in (
            ("new", "make a lesson that passes"),
            ("lint", "say what should be mended"),
            ("test", "play each lesson for real: every check fails, the solution runs, the check passes"),
        ):
            sub = verbs.add_parser(verb, help=text)
            sub.add_argument("paths", nargs="+", type=Path, metavar="PATH")
            if verb == "test":
                sub.add_argument("--junit", type=Path, metavar="FILE", help="also write a JUnit report")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the sub-command; a failure ends with status 1."""
        {"new": self._new, "lint": self._lint, "test": self._test}[options["verb"]](options)

    def _new(self, options: dict[str, Any]) -> None:
        for folder in options["paths"]:
            try:
                for path in write_draft(folder):
                    self.stdout.write(str(path))
            except OSError as error:
                raise CommandError(f"Cannot make a lesson there: {error}") from error

    def _lint(self, options: dict[str, Any]) -> None:
        problems: list[Problem] = []
        count = 0
        for folder, lesson, found in _lessons(options["paths"]):
            count += 1
            problems += found
            problems += _placed(folder, lint(lesson, tools=[tool.command for tool in TOOLS])) if lesson else []
        for problem in problems:
            self.stdout.write(f"{problem.severity}: {problem}")
        if any(problem.severity == "error" for problem in problems):
            raise CommandError("Some lessons need mending.")
        self.stdout.write(f"{count} lesson(s), {len(problems)} warning(s).")

    def _test(self, options: dict[str, Any]) -> None:
        outcomes: list[Outcome] = []
        for folder, lesson, problems in _lessons(options["paths"]):
            if lesson is None:
                raise CommandError(str(problems[0]))
            self.stdout.write(f"{folder.name}")
            for outcome in self._rehearse(lesson):
                self.stdout.write(f"  {outcome}")
                outcomes.append(outcome)
        if options["junit"]:
            options["junit"].write_text(junit(outcomes), encoding="utf-8")
        bad = [outcome for outcome in outcomes if outcome.state != "passed"]
        if bad:
            raise CommandError(
                f"{len(bad)} of {len(outcomes)} steps did not pass; a skipped step never counts as passed."
            )

    def _rehearse(self, lesson: Lesson) -> Sequence[Outcome]:
        try:
            with launcher(settings.DATA_DIR, settings.BACKEND_SOCKET) as socket:
                return asyncio.run(rehearse(lesson, backend=choose("auto", socket=socket)))
        except (SandboxError, TimeoutError) as error:
            raise CommandError(f"{lesson.id} could not be set up: {error or 'it took too long'}") from error


def _lessons(paths: Sequence[Path]) -> Iterator[tuple[Path, Lesson | None, list[Problem]]]:
    """Each lesson folder at or below the paths, read."""
    for path in paths:
        if not path.is_dir():
            raise CommandError(f"There is no folder {path}.")
        indexes = sorted(
            {index.parent for index in path.rglob("index.*") if index.suffix in (".json", ".yaml", ".yml")}
        )
        if not indexes:
            raise CommandError(f"No lesson (a folder with index.json or index.yaml) is in {path}.")
        for folder in indexes:
            source = Source(folder, root=path if path != folder else folder.parent)
            try:
                lesson = read_lesson(source, link=str)
            except LessonError as error:
                yield folder, None, [error.problem, *source.problems]
            else:
                yield folder, lesson, source.problems


def _placed(folder: Path, problems: Sequence[Problem]) -> list[Problem]:
    """Lint names a lesson by its id; authors look for its folder."""
    return [
        Problem(str(folder.parent / problem.path), problem.line, problem.message, problem.severity)
        for problem in problems
    ]
