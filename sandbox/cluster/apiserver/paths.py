"""What a URL of the API means: group, version, namespace, resource, name, subresource, verb."""

from __future__ import annotations

from dataclasses import dataclass

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class ResourcePath:
    """A path below /api/VERSION or /apis/GROUP/VERSION that names a resource."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource (proxy), beginning with a slash, or empty."""
    legacy_watch: bool = False
    """The path has the old /watch/ prefix."""

    def verb(self, method: str, *, watch: bool) -> str:
        """The verb that the authorizer and the resource's verb list speak of; empty for an unknown method."""
        verb = _VERBS.get(method, "")
        if self.name or verb not in ("get", "delete"):
            return "watch" if verb == "get" and self.legacy_watch else verb
        if verb == "delete":
            return "deletecollection"
        return "watch" if watch or self.legacy_watch else "list"


def parse(path: str) -> ResourcePath | None:
    """The resource that a path names, or None when it is no such path (discovery, health, …)."""
    parts = path.split("/")[1:] or [""]
    if parts[0] == "api" and len(parts) >= 3:
        return _below("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) >= 4:
        return _below(parts[1], parts[2], parts[3:])
    return None


def _below(group: str, version: str, parts: list[str]) -> ResourcePath | None:
    watch = parts[0] == "watch" and len(parts) > 1
    if watch:
        parts = parts[1:]
    namespace = ""
    # /namespaces/NAME, /namespaces/NAME/status and /finalize are the Namespace itself.
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] and not _of_namespace(group, parts):
        namespace, parts = parts[1], parts[2:]
        if not namespace:
            return None
    while len(parts) > 1 and not parts[-1] and len(parts) <= 3:
        parts = parts[:-1]
    plural = parts[0]
    if not plural:
        return None
    name = parts[1] if len(parts) > 1 else ""
    if len(parts) > 1 and not name:
        return None
    subresource = parts[2] if len(parts) > 2 else ""
    rest = "/" + "/".join(parts[3:]) if len(parts) > 3 else ""
    if rest and subresource != "proxy":
        return None
    return ResourcePath(group, version, plural, namespace, name, subresource, rest, watch)


def _of_namespace(group: str, parts: list[str]) -> bool:
    return not group and len(parts) == 3 and parts[2] in ("status", "finalize")
