"""A request and a response, as the handlers see them: no sockets, no HTTP library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sandbox.cluster.apiserver.streams import Upgrade

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class User:
    """Who is asking."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


ADMIN = User("minikube-user", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Request:
    """One HTTP request with its whole body; header names are in lower case."""

    method: str
    target: str
    """As it was sent, with the query."""
    path: str
    """Percent-decoded, without the query."""
    query: Mapping[str, Sequence[str]]
    headers: Headers
    body: bytes
    user: User | None
    """Whom the connection itself vouches for (a client certificate, the unix socket); None: look at the headers."""

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, or an empty string."""
        values = self.query.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """Whether a query parameter says true (present without value counts)."""
        values = self.query.get(name)
        return values is not None and len(values) > 0 and values[0].lower() in ("", "1", "true")


class Stream(Protocol):
    """Chunks of a response, made while they are sent."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None:
        """The client has left, or has everything."""


@dataclass
class Response:
    """One HTTP response: a body, or a stream of chunks."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: Stream | None = None
    """Sent chunk by chunk as it comes; closed when it ends or the client leaves."""


@dataclass(frozen=True)
class Takeover:
    """The connection leaves HTTP: whoever gets it answers and closes it."""

    run: Callable[[Upgrade], Awaitable[None]]


Handler = Callable[[Request], Awaitable[Response | Takeover]]
