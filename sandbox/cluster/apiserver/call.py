"""A request that has been understood: who, which resource, which verb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.api.objects import Key
from sandbox.cluster.apiserver.formats import Accept, accept
from sandbox.cluster.apiserver.messages import Request, Response, Takeover, User
from sandbox.cluster.apiserver.paths import ResourcePath
from sandbox.cluster.resources.resource import Resource


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    request: Request
    user: User
    path: ResourcePath
    resource: Resource
    verb: str

    @property
    def key(self) -> Key:
        """The object that the path names."""
        return Key(self.path.namespace if self.resource.namespaced else "", self.path.name)

    @property
    def how(self) -> Accept:
        """What the answer shall be. Raises NotAcceptable."""
        return accept(self.request)

    @property
    def dry_run(self) -> bool:
        """Whether nothing shall be stored. Raises BadRequest."""
        values = self.request.query.get("dryRun", ())
        unknown = [value for value in values if value not in ("", "All")]
        if unknown:
            raise BadRequest(f'dryRun: Unsupported value: "{unknown[0]}": supported values: "All"')
        return "All" in values

    @property
    def manager(self) -> str:
        """Who is recorded as the manager of the fields that are set."""
        return self.request.parameter("fieldManager") or self.request.header("user-agent").partition("/")[0][:128]

    def number(self, name: str) -> int | None:
        """A query parameter that is a whole number. Raises BadRequest."""
        text = self.request.parameter(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


Endpoint = Callable[[Call], Awaitable[Response | Takeover]]
