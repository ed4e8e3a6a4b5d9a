"""`manage.py sandbox run|shell|list|stop`: sandboxes from the command line, for authors, tests and scripts."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox.backend import Backend, SandboxError, SandboxSpec, SandboxState
from sandbox.backends.choose import choose
from sandbox.client import SandboxClient
from sandbox.command_stream import CommandStream
from tutorials.catalogue.lesson import Lesson
from tutorials.catalogue.reader import read_lesson
from tutorials.catalogue.source import LessonError, Source
from tutorials.hosting import command_line, own_launcher
from tutorials.hosting.begin import begin

SANDBOX_FAILED = 125
"""Exit code when the sandbox itself failed, so that it is never taken for the command's."""
_TERMINATED = 128 + signal.SIGTERM


class Command(BaseCommand):
    """Sandboxes from the command line."""

    help = "Runs commands in fresh sandboxes; lists and stops sandboxes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One sub-command each."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        run = verbs.add_parser("run", help="run COMMAND in a fresh sandbox; its output and exit code")
        shell = verbs.add_parser("shell", help="an interactive shell in a fresh sandbox, which ends with it")
        for sub in (run, shell):
            sub.add_argument("--backend", default="auto", help="local or auto")
            sub.add_argument("--lesson", metavar="L", help="set up as this lesson does: a folder, or COURSE/LESSON")
            sub.add_argument("--step", type=int, metavar="N", help="as at the beginning of step N of the lesson")
            sub.add_argument("--cluster", action="store_true", help="with the cluster started")
            sub.add_argument("--user", choices=("learner", "root"), help="whom to be (root, or as the lesson wants)")
        run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
        listing = verbs.add_parser("list", help="the sandboxes of the running platform")
        listing.add_argument("--json", action="store_true", dest="as_json", help="for programs")
        stop = verbs.add_parser("stop", help="stop sandboxes of the running platform")
        stop.add_argument("names", nargs="*", metavar="NAME")
        stop.add_argument("--all", action="store_true", dest="everything", help="all of them")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the sub-command; ends with the command's own exit code."""
        status: int = {"run": self._run, "shell": self._run, "list": self._list, "stop": self._stop}[options["verb"]](
            options
        )
        if status:
            sys.exit(status)

    def _run(self, options: dict[str, Any]) -> int:
        command = list(options.get("command", ()))
        if command[:1] == ["--"]:
            command.pop(0)
        if options["verb"] == "shell":
            command = ["/bin/bash", "-l"] if sys.stdin.isatty() and sys.stdout.isatty() else ["/bin/bash", "-s"]
        if not command:
            raise CommandError("Say what to run: manage.py sandbox run -- COMMAND …", returncode=SANDBOX_FAILED)
        lesson = _lesson(options["lesson"]) if options["lesson"] else None
        if options["step"] is not None and (lesson is None or not 1 <= options["step"] <= len(lesson.steps)):
            raise CommandError("--step needs --lesson, and a step that it has.", returncode=SANDBOX_FAILED)
        try:
            with own_launcher.launcher(settings.DATA_DIR, settings.BACKEND_SOCKET) as socket:
                backend = choose(options["backend"], socket=socket)
                return asyncio.run(_fresh(backend, command, lesson, options))
        except (SandboxError, TimeoutError, OSError) as error:
            raise CommandError(
                str(error) or "The sandbox did not answer in time.", returncode=SANDBOX_FAILED
            ) from error

    def _list(self, options: dict[str, Any]) -> int:
        states: Mapping[str, SandboxState] = {}
        if own_launcher.answers(settings.BACKEND_SOCKET):
            states = asyncio.run(choose("auto", socket=settings.BACKEND_SOCKET).list())
        if options["as_json"]:
            rows = [
                {"name": state.name, "running": state.running, "started_at": state.started_at, "detail": state.detail}
                for state in states.values()
            ]
            self.stdout.write(json.dumps(rows))
            return 0
        self.stdout.write(f"{'NAME':<42}{'STATE':<10}AGE")
        for state in states.values():
            age = f"{time.time() - state.started_at:.0f}s"
            said = "running" if state.running else state.detail or "ended"
            self.stdout.write(f"{state.name:<42}{said:<10}{age}")
        return 0

    def _stop(self, options: dict[str, Any]) -> int:
        if bool(options["names"]) == options["everything"]:
            raise CommandError("Name the sandboxes to stop, or say --all.")
        if not own_launcher.answers(settings.BACKEND_SOCKET):
            return 0
        asyncio.run(_stop(choose("auto", socket=settings.BACKEND_SOCKET), options["names"]))
        return 0


async def _stop(backend: Backend, names: list[str]) -> None:
    try:
        for name in names or list(await backend.list()):
            await backend.stop(name)
    except SandboxError as error:
        raise CommandError(str(error)) from error


async def _fresh(backend: Backend, command: list[str], lesson: Lesson | None, options: dict[str, Any]) -> int:
    """The command in a sandbox that ends with it."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    user = options["user"] or (lesson.user if lesson else "root")
    try:
        async with _sandbox(backend, SandboxSpec(user=user)) as name:
            client = SandboxClient(lambda: backend.connect(name))
            await begin(client, lesson, cluster=options["cluster"], step=options["step"] or 1)
            stream = CommandStream(await backend.connect(name))
            try:
                # By way of a shell, so that a command that is not there ends with 127, as everywhere.
                return await command_line.run(stream, ["/bin/bash", "-c", 'exec "$@"', "bash", *command])
            finally:
                stream.close()
    except asyncio.CancelledError:
        return _TERMINATED


@asynccontextmanager
async def _sandbox(backend: Backend, spec: SandboxSpec) -> AsyncIterator[str]:
    name = f"run-{uuid.uuid4().hex[:12]}"
    try:
        await backend.start(name, spec)
        yield name
    finally:
        await asyncio.shield(backend.stop(name))


def _lesson(given: str) -> Lesson:
    """A lesson by its folder, or as COURSE/LESSON below the lesson folders."""
    for folder in (Path(given), *(root / given for root in settings.LESSON_DIRECTORIES)):
        if any((folder / name).is_file() for name in ("index.json", "index.yaml", "index.yml")):
            try:
                return read_lesson(Source(folder, root=folder.parent), link=str)
            except LessonError as error:
                raise CommandError(str(error.problem), returncode=SANDBOX_FAILED) from error
    raise CommandError(f"There is no lesson {given!r}.", returncode=SANDBOX_FAILED)
