"""The content security policy, with a fresh nonce for every answer. Django 5.2 has none of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"


def policy(nonce: str) -> str:
    """What a page may load and do.

    xterm.js makes style elements at run time (the page stamps the nonce on them) and style attributes (hence the one
    'unsafe-inline'). Older Safari does not count WebSockets of the same origin as 'self'.
    """
    sockets = " ".join(origin.replace("http", "ws", 1) for origin in settings.ORIGINS)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src-elem 'self' 'nonce-{nonce}'",
            "style-src-attr 'unsafe-inline'",
            "font-src 'self'",
            "img-src 'self' data: blob:",
            f"connect-src 'self' {sockets}",
            "manifest-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class ContentSecurityPolicy:
    """Gives each request `csp_nonce` and each answer the policy, unless the view has set a stricter one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
        response = self._get_response(request)
        response.headers.setdefault(HEADER, policy(nonce))
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
