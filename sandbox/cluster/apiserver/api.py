"""The API: finds out who asks for what, whether they may, and hands the request to what answers it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.errors import ApiError, InternalError, MethodNotAllowed, NoSuchPath
from sandbox.cluster.apiserver import paths
from sandbox.cluster.apiserver.authentication import Tokens, authenticate, impersonated
from sandbox.cluster.apiserver.authorization import Attributes, Authorizer, attributes_of, impersonation
from sandbox.cluster.apiserver.call import Call, Endpoint
from sandbox.cluster.apiserver.documents import Documents
from sandbox.cluster.apiserver.formats import Accept, status_response, wants_pretty
from sandbox.cluster.apiserver.messages import Request, Response, Takeover, User
from sandbox.cluster.apiserver.stored import StoredResources
from sandbox.cluster.journal import quoted
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

log = logging.getLogger(__name__)


_UNTOLD = ("/healthz", "/livez", "/readyz")
_SWITCHED = 101


@dataclass(frozen=True)
class Endpoints:
    """What answers requests for resources: stored ones, their subresources, and questions that are not stored."""

    stored: StoredResources
    subresources: Mapping[str, Endpoint]
    """By `pods/log`, or by `*/status` for every resource that has the subresource."""
    questions: Mapping[str, Endpoint]
    """By `selfsubjectaccessreviews.authorization.k8s.io`."""
    question_resources: Sequence[Resource]


class Api:
    """Answers every request to the API server."""

    def __init__(
        self, registry: Registry, *, tokens: Tokens, authorizer: Authorizer, endpoints: Endpoints, documents: Documents
    ) -> None:
        self._registry = registry
        self._tokens = tokens
        self._authorizer = authorizer
        self._endpoints = endpoints
        self._documents = documents

    async def handle(self, request: Request) -> Response | Takeover:
        """The answer to a request, whatever happens; each is written down."""
        began = time.perf_counter()
        try:
            response = await self._answer(request)
        except ApiError as error:
            response = status_response(error, how=Accept(pretty=wants_pretty(request)))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = status_response(InternalError("see the server's log"))
        audit = str(uuid.uuid4())
        if isinstance(response, Response):
            response.headers.insert(0, ("audit-id", audit))
        if not request.path.startswith(_UNTOLD):
            _tell(request, response, audit=audit, seconds=time.perf_counter() - began)
        return response

    async def _answer(self, request: Request) -> Response | Takeover:
        user = authenticate(request, self._tokens)
        path = paths.parse(request.path)
        resource = None if path is None else self._resource(path)
        if path is None or resource is None:
            return self._document(request, self._effective(user, request))
        return await self._call(request, self._effective(user, request), path, resource)

    def _document(self, request: Request, user: User) -> Response:
        verb = "get" if request.method in ("GET", "HEAD") else request.method.lower()
        self._authorizer.check(user, Attributes(verb, path=request.path))
        if verb != "get":
            raise NoSuchPath
        return self._documents.answer(request)

    async def _call(
        self, request: Request, user: User, path: paths.ResourcePath, resource: Resource
    ) -> Response | Takeover:
        verb = path.verb(request.method, watch=request.flag("watch"))
        if not verb:
            raise MethodNotAllowed
        if path.subresource in ("exec", "attach", "portforward") and verb == "get":
            verb = "create"  # a WebSocket can only be opened with GET; it is the same right
        wanted = attributes_of(resource, verb, namespace=path.namespace, name=path.name, subresource=path.subresource)
        self._authorizer.check(user, wanted)
        call = Call(request, user, path, resource, verb)
        return await self._endpoint(call)(call)

    def _endpoint(self, call: Call) -> Endpoint:
        resource, subresource = call.resource, call.path.subresource
        if resource.qualified in self._endpoints.questions:
            return self._endpoints.questions[resource.qualified]
        if not subresource:
            if call.verb not in resource.verbs:
                raise MethodNotAllowed
            return self._endpoints.stored.answer
        if subresource not in resource.subresources:
            raise NoSuchPath
        of_subresources = self._endpoints.subresources
        found = of_subresources.get(f"{resource.plural}/{subresource}") or of_subresources.get(f"*/{subresource}")
        if found is None:
            raise NoSuchPath
        return found

    def _resource(self, path: paths.ResourcePath) -> Resource | None:
        for resource in self.resources():
            if (resource.group, resource.version, resource.plural) == (path.group, path.version, path.plural):
                if path.namespace and not resource.namespaced:
                    raise NoSuchPath
                return resource
        if path.version and any((r.group, r.version) == (path.group, path.version) for r in self.resources()):
            raise NoSuchPath
        return None

    def resources(self) -> list[Resource]:
        """Everything that is served."""
        return [*self._registry.resources(), *self._endpoints.question_resources]

    def _effective(self, user: User, request: Request) -> User:
        """Whom the request is carried out as: `--as` needs the right to impersonate."""
        other = impersonated(request)
        if other is None:
            return user
        for wanted in impersonation(other, request):
            self._authorizer.check(user, wanted)
        return other


def _tell(request: Request, response: Response | Takeover, *, audit: str, seconds: float) -> None:
    """Write a request down as kube-apiserver does."""
    log.info(
        '"HTTP" verb=%s URI=%s latency="%.3fms" userAgent=%s audit-ID="%s" resp=%d',
        quoted(request.method),
        quoted(request.target),
        seconds * 1000,
        quoted(request.header("user-agent")),
        audit,
        response.status if isinstance(response, Response) else _SWITCHED,
    )
