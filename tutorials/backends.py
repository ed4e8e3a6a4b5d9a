"""The site's one way to its sandboxes: which Backend is configured, and a client for a sandbox."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from sandbox.backend import Backend
from sandbox.backends.local import LocalBackend
from sandbox.client import SandboxClient


@cache
def backend() -> Backend:
    """The configured backend."""
    return LocalBackend(settings.BACKEND_SOCKET)


def client(name: str) -> SandboxClient:
    """A client for the sandbox of that name; whether it runs shows at the first call (SandboxGone)."""
    return SandboxClient(lambda: backend().connect(name))
