"""The one list of backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.backend import Backend, SandboxError
from sandbox.backends.local import LocalBackend

BACKENDS: Mapping[str, Callable[[Path], Backend]] = {"local": LocalBackend}
"""Name → how to make it, from the socket of the program that starts sandboxes."""


class NoSuchBackend(SandboxError):
    """There is no backend of that name."""


def choose(name: str, *, socket: Path) -> Backend:
    """The backend of that name; `auto` is the first that can work here."""
    if name == "auto":
        name = next(iter(BACKENDS))
    if name not in BACKENDS:
        raise NoSuchBackend(f"There is no backend {name!r}: choose {', '.join(BACKENDS)} or auto.")
    return BACKENDS[name](socket)
