"""Where WebSockets lead."""

from __future__ import annotations

from django.urls import re_path

from tutorials.consumers import EventsConsumer, TerminalConsumer

ATTEMPT = r"(?P<attempt_id>[0-9a-f-]{36})"

websocket_urlpatterns = [
    re_path(rf"^ws/attempts/{ATTEMPT}/terminals/(?P<terminal>[a-z0-9-]{{1,32}})$", TerminalConsumer.as_asgi()),
    re_path(rf"^ws/attempts/{ATTEMPT}/events$", EventsConsumer.as_asgi()),
]
