"""The site's process under `./quayside up`: migrates, prints where it is, serves with Daphne, works in threads."""

from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader


class Command(BaseCommand):
    """Serve on an inherited socket until the starter is gone."""

    help = "Serves the site for ./quayside up; not for use by hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The inherited file descriptors and what to print."""
        parser.add_argument("--fd", type=int, required=True, help="listening socket")
        parser.add_argument("--life-fd", type=int, required=True, help="closes when the starter is gone")
        parser.add_argument("--url", required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Serve."""
        from daphne.server import Server  # noqa: PLC0415 - installs Twisted's reactor, which other commands do not want

        from tutorials import embedded  # noqa: PLC0415
        from tutorials.asgi import application  # noqa: PLC0415

        threading.Thread(target=_end_with_starter, args=(options["life_fd"],), daemon=True).start()
        os.umask(0o077)  # the database holds sessions: no other user of this machine may read it
        _refuse_newer_database()
        call_command("migrate", interactive=False, verbosity=0)
        server = Server(
            application,
            endpoints=[f"fd:fileno={options['fd']}"],
            signal_handlers=False,
            ready_callable=lambda: self._ready(options["url"]),
            ping_interval=20,
            ping_timeout=30,
            websocket_timeout=-1,
            server_name="quayside",
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        workers = embedded.start_workers()
        server.run()
        workers.stop()

    def _ready(self, url: str) -> None:
        self.stdout.write(f"  open       {url}")
        call_command("admin_link", stdout=self.stdout, url=url)
        self.stdout.write("  end        Ctrl-C")
        self.stdout.flush()


def _refuse_newer_database() -> None:
    """A database that a newer version has changed would be misread, or broken, by this one."""
    loader = MigrationLoader(connection)
    unknown = [f"{app}.{name}" for app, name in loader.applied_migrations if (app, name) not in loader.disk_migrations]
    ours = {app for app, _ in loader.disk_migrations}
    newer = sorted(name for name in unknown if name.split(".")[0] in ours)
    if newer:
        raise CommandError(
            f"The database was made by a newer version of Quayside (it has {newer[-1]}). "
            "Update this clone (git pull), or take another data folder: --data DIR"
        )


def _stop(*_: object) -> None:
    from twisted.internet import reactor  # noqa: PLC0415

    reactor.callFromThread(reactor.stop)


def _end_with_starter(life: int) -> None:
    """Wait for the starter's end of the pipe to close, then leave at once: nothing of ours needs a farewell."""
    while os.read(life, 1):
        pass
    os._exit(0)
