"""The site with pretend sandboxes, as a process of its own: `python tests/browser/site.py PORT DATA LESSONS`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def main(port: int, data: str, lessons: str) -> None:
    """Serve until killed."""
    sys.path.insert(0, str(ROOT))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tutorials.settings",
        "QUAYSIDE_DATA": data,
        "QUAYSIDE_LESSONS": lessons,
        "QUAYSIDE_ORIGINS": f"http://localhost:{port}",
    }
    from daphne.server import Server

    import tutorials.asgi
    from django.core.management import call_command
    from tests.browser.pretend import SERVER_LOOP, PretendBackend, PretendClient
    from tutorials import backends, embedded

    pretended = PretendBackend()
    backends.backend = lambda: pretended
    backends.client = lambda name: PretendClient(pretended, name)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("compile_catalogue")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        SERVER_LOOP[:] = [asyncio.get_running_loop()]
        await tutorials.asgi.application(scope, receive, send)

    server = Server(
        application,
        endpoints=[f"tcp:port={port}:interface=127.0.0.1"],
        signal_handlers=False,
        ready_callable=lambda: print("ready", flush=True),
        ping_interval=20,
        ping_timeout=30,
        websocket_timeout=-1,
    )
    embedded.start_workers()
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
