"""The `minikube` command that learners type: parses like minikube, speaks like minikube, drives the sandbox's cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sandbox.minikube.machine import Machine, Object

Send = Callable[[Object], Awaitable[None]]
"""Sends one line to the learner's client: {"out": str}, {"err": str}, {"kubeconfig": object or None}, {"exec": [argv]}."""


@dataclass(frozen=True)
class Request:
    """What the learner's client tells about the call; all of it is the learner's word and only shapes the output."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False
    columns: int = 80

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """Read the client's first line. Raises ValueError when it is not one."""
        raise NotImplementedError


async def run(request: Request, machine: Machine, send: Send) -> int:
    """Carry out one command and return its exit code, which the caller sends as {"exit": N} when all is sent."""
    raise NotImplementedError
