"""The site with pretend sandboxes, as a process of its own: `python tests/browser/site.py PORT`; see conftest.py."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import tutorials.asgi  # isort: skip - sets Django up, which the imports below need
from daphne.server import Server
from django.core.management import call_command

from tests.browser.pretend import SERVER_LOOP, PretendBackend, PretendClient
from tutorials import backends, embedded


def main(port: int) -> None:
    """Serve until killed."""
    pretended = PretendBackend()
    backends.backend = lambda: pretended
    backends.client = lambda name: PretendClient(pretended, name)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("vendor")
    call_command("compile_catalogue")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        SERVER_LOOP[:] = [asyncio.get_running_loop()]
        await tutorials.asgi.application(scope, receive, send)

    server = Server(
        application,
        endpoints=[f"tcp:port={port}:interface=127.0.0.1"],
        signal_handlers=False,
        ready_callable=lambda: sys.stdout.write("ready\n") and sys.stdout.flush(),
        ping_interval=20,
        ping_timeout=30,
        websocket_timeout=-1,
    )
    embedded.start_workers()
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
