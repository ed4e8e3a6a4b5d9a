"""The ASGI application: pages through Django, WebSockets from our own origins only."""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorials.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

# These import models, which exist only after the line above.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402

from tutorials.publish import serve_on  # noqa: E402
from tutorials.routing import websocket_urlpatterns  # noqa: E402

# AllowedHostsOriginValidator ignores the port and takes wildcards: a preview on a sibling port could drive a terminal.
_router = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), settings.ORIGINS),
    }
)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request or socket."""
    serve_on(asyncio.get_running_loop())
    await _router(scope, receive, send)
