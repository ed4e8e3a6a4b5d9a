"""The seam between the site and whatever runs sandboxes: local namespaces, Docker, Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


class SandboxError(Exception):
    """A sandbox could not do what was asked; the message is a sentence for the learner."""


class HostFull(SandboxError):
    """The host has no room for another sandbox now; trying again later may succeed."""


class StartFailed(SandboxError):
    """The sandbox could not be started; the cause is chained for the operator."""


class SandboxGone(SandboxError):
    """There is no running sandbox of that name."""


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use. The learner and the pods share these; our own processes are budgeted apart."""

    memory_mib: int = 768
    cpus: float = 2.0
    processes: int = 1024
    files: int = 4096
    disk_mib: int = 512


@dataclass(frozen=True)
class SandboxSpec:
    """What the caller wants of a sandbox; everything else is the backend's decision."""

    user: Literal["root", "learner"] = "root"
    limits: Limits = Limits()


@dataclass(frozen=True)
class SandboxState:
    """What a backend knows about one of its sandboxes."""

    name: str
    running: bool
    started_at: float
    """Seconds since the epoch."""
    detail: str = ""
    """Why it is not running, in a sentence, or empty."""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Backend(Protocol):
    """Starts, stops, lists and reaches sandboxes. Names come from the caller: `[a-z0-9-]{1,40}`, random."""

    name: str

    async def start(self, name: str, spec: SandboxSpec) -> None:
        """Start the sandbox and return once its agent answers. Starting what runs is no error.

        Raises HostFull or StartFailed.
        """

    async def stop(self, name: str) -> None:
        """End the sandbox and free all it held. Stopping what is gone is no error."""

    async def list(self) -> Mapping[str, SandboxState]:
        """Every sandbox that this backend holds, also those nobody wants any more."""

    async def connect(self, name: str) -> Connection:
        """A fresh byte stream to the sandbox's agent (docs/protocol.md). Raises SandboxGone."""
