"""One call of the `minikube` command as the learner's client tells it: hostile input, bounded before it is believed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sandbox.minikube.machine import Object

Send = Callable[[Object], Awaitable[None]]
"""Sends one line to the client: {"out": text}, {"err": text}, {"kubeconfig": object or null} or {"exec": argv}."""

MAX_LINE = 64 * 1024
_MAX_ARGUMENTS = 256
_ENVIRONMENT = ("TERM", "COLORTERM", "MINIKUBE_IN_STYLE", "LANG")


@dataclass(frozen=True)
class Request:
    """What the learner's client tells about the call; it only shapes what is printed."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    terminal: bool = False
    columns: int = 80
    server: str = ""
    """The API server that the learner's kubeconfig names for the cluster `minikube`, or empty."""
    context: str = ""
    """The kubeconfig's current context."""

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """Read the client's first line. Raises ValueError when it is not one."""
        if len(line) > MAX_LINE:
            raise ValueError("the request is too long")
        given = json.loads(line)
        if not isinstance(given, dict):
            raise ValueError("the request is not an object")
        arguments = given.get("arguments")
        if not isinstance(arguments, list) or len(arguments) > _MAX_ARGUMENTS:
            raise ValueError("the request has no list of arguments")
        environment = given.get("environment")
        environment = environment if isinstance(environment, dict) else {}
        columns = given.get("columns")
        return cls(
            arguments=tuple(str(argument) for argument in arguments),
            environment={name: str(environment[name]) for name in _ENVIRONMENT if name in environment},
            terminal=given.get("terminal") is True,
            columns=columns if isinstance(columns, int) and 20 <= columns <= 1000 else 80,
            server=str(given.get("server") or ""),
            context=str(given.get("context") or ""),
        )
