"""The ASGI application: pages through Django, WebSockets from our own origins only."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorials.settings")

from django.core.asgi import get_asgi_application

WAITS = re.compile(r"/attempts/[^/]+/check|/readyz")
"""What waits for a sandbox has threads of its own, so that one that hangs holds up no pages."""
WAITING_THREADS = 8

_django = get_asgi_application()

# These import models, which exist only after the line above.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

from tutorials.publish import serve_on  # noqa: E402
from tutorials.routing import websocket_urlpatterns  # noqa: E402
from tutorials.threads import Threads  # noqa: E402

_pages = Threads(settings.PAGE_THREADS)
_waiting = Threads(WAITING_THREADS)

# AllowedHostsOriginValidator ignores the port and takes wildcards: a preview on a sibling port could drive a terminal.
_router = ProtocolTypeRouter(
    {
        "http": _django,
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.ORIGINS),
    }
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request or socket."""
    serve_on(asyncio.get_running_loop())
    if scope["type"] != "http":
        await _router(scope, receive, send)
        return
    async with (_waiting if WAITS.fullmatch(scope["path"]) else _pages).one():
        await _router(scope, receive, send)
