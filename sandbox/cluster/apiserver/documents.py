"""What the API tells about itself: version, health, discovery, OpenAPI, the list of paths."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver import discovery
from sandbox.cluster.apiserver.formats import Accept, accept, respond
from sandbox.cluster.apiserver.messages import Request, Response
from sandbox.cluster.config import KUBERNETES_VERSION
from sandbox.cluster.resources.resource import Resource

_CHECKS = ("ping", "log", "etcd", "poststarthook/bootstrap-controller")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
NOT_FOUND = b"404 page not found\n"

OpenApi = Callable[[Request, Sequence[Resource]], Response | None]
"""Answers /openapi/v2 and /openapi/v3…; None: no such document."""


def version_info() -> Object:
    """GET /version: which Kubernetes we answer like; the commit says who answers."""
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "quayside",
        "gitTreeState": "clean",
        "buildDate": "2025-05-15T08:19:08Z",
        "goVersion": "go1.24.2",
        "compiler": "gc",
        "platform": f"linux/{_ARCHITECTURES.get(platform.machine(), platform.machine())}",
    }


def text(body: str | bytes, status: int = 200) -> Response:
    """A plain text answer."""
    data = body.encode() if isinstance(body, str) else body
    headers = [("x-content-type-options", "nosniff")]
    return Response(status=status, body=data, content_type="text/plain; charset=utf-8", headers=headers)


class Documents:
    """Answers GET requests for paths that are no resource."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], *, address: str, openapi: OpenApi) -> None:
        self._resources = resources
        self._address = address
        self._openapi = openapi

    def answer(self, request: Request) -> Response:
        """The document at a path, or 404."""
        path = request.path.rstrip("/") or "/"
        parts = path.split("/")[1:]
        if path == "/":
            return respond({"paths": self._paths()}, Accept(pretty=True))
        if path == "/version":
            # Kubernetes always indents this one.
            return respond(version_info(), Accept(pretty=True))
        if parts[0] in ("healthz", "livez", "readyz"):
            return _health(request, parts)
        if parts[0] in ("api", "apis"):
            return self._discovery(request, parts)
        if parts[0] == "openapi":
            return self._openapi(request, self._resources()) or text(NOT_FOUND, 404)
        return text(NOT_FOUND, 404)

    def _discovery(self, request: Request, parts: Sequence[str]) -> Response:
        how, resources = accept(request), self._resources()
        core = parts[0] == "api"
        if how.aggregated and len(parts) == 1:
            return self._aggregated(how, resources, core=core)
        found: Object | None
        if core:
            found = discovery.api_versions(self._address)
            if len(parts) == 2:
                found = discovery.resource_list(resources, "", parts[1])
        elif len(parts) == 1:
            found = discovery.group_list(resources)
        elif len(parts) == 2:
            found = discovery.group(resources, parts[1])
        else:
            found = discovery.resource_list(resources, parts[1], parts[2]) if len(parts) == 3 else None
        return text(NOT_FOUND, 404) if found is None else respond(found, how)

    def _aggregated(self, how: Accept, resources: Sequence[Resource], *, core: bool) -> Response:
        found = discovery.aggregated(resources, core=core, version=how.aggregated)
        response = respond(found, Accept(pretty=how.pretty))
        response.content_type = discovery.MEDIA_TYPE.format(version=how.aggregated)
        response.headers.append(("vary", "Accept"))
        return response

    def _paths(self) -> list[str]:
        paths = {"/api", "/api/v1", "/apis", "/apis/", "/openapi/v2", "/openapi/v3", "/version"}
        for name, versions in discovery.groups(self._resources()).items():
            paths.add(f"/apis/{name}")
            paths |= {f"/apis/{name}/{version}" for version in versions}
        for kind in ("healthz", "livez", "readyz"):
            paths |= {f"/{kind}", *(f"/{kind}/{check}" for check in _CHECKS)}
        return sorted(paths)


def _health(request: Request, parts: Sequence[str]) -> Response:
    check = "/".join(parts[1:])
    if check:
        return text("ok") if check in _CHECKS else text(NOT_FOUND, 404)
    if "verbose" not in request.query:
        return text("ok")
    lines = [f"[+]{name} ok" for name in _CHECKS]
    return text("\n".join([*lines, f"{parts[0]} check passed"]) + "\n")
