"""Who may do what: role-based access control over the cluster's own Role and ClusterRole objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.messages import User
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"

_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_BASIC: tuple[tuple[str, Object], ...] = (
    ("", {"verbs": ["get"], "nonResourceURLs": list(_PUBLIC)}),
    ("system:authenticated", {"verbs": ["get"], "nonResourceURLs": [*_PUBLIC, *_DISCOVERY]}),
    (
        "system:authenticated",
        {
            "verbs": ["create"],
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        },
    ),
    (
        "system:authenticated",
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
    ),
)
"""(group, rule) that hold in every cluster: system:public-info-viewer, system:discovery and system:basic-user."""


@dataclass(frozen=True)
class Attributes:
    """What somebody wants to do."""

    verb: str
    group: str = ""
    resource: str = ""
    """`pods` or `pods/log`; empty for a path that is no resource."""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Forbidden(ApiError):
    """The user may not do this."""

    code = 403
    reason = "Forbidden"


@dataclass(frozen=True)
class Decision:
    """Whether, and why."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """Answers from the roles that exist at the moment of asking."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Whether a user may do it."""
        if MASTERS in user.groups:
            return Decision(allowed=True)
        for rule, reason in self._rules(user, wanted.namespace):
            if _allows(rule, wanted):
                return Decision(allowed=True, reason=reason)
        return Decision(allowed=False)

    def check(self, user: User, wanted: Attributes) -> None:
        """Raise Forbidden unless the user may do it."""
        if self.decide(user, wanted).allowed:
            return
        raise _refusal(user, wanted)

    def rules(self, user: User, namespace: str) -> Sequence[Object]:
        """All rules that hold for a user in a namespace, for `auth can-i --list`."""
        everything: list[Object] = []
        if MASTERS in user.groups:
            everything = [
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]
        return everything + [rule for rule, _ in self._rules(user, namespace)]

    def _rules(self, user: User, namespace: str) -> Iterator[tuple[Object, str]]:
        for group, rule in _BASIC:
            if not group or group in user.groups:
                yield rule, ""
        yield from self._bound(user, "clusterrolebindings", "")
        if namespace:
            yield from self._bound(user, "rolebindings", namespace)

    def _bound(self, user: User, plural: str, namespace: str) -> Iterator[tuple[Object, str]]:
        bindings = self._registry.resource(f"{plural}.{_RBAC}")
        if bindings is None:
            return
        for binding in self._registry.list(bindings, namespace=namespace):
            if not any(_is_subject(subject, user, namespace) for subject in binding.get("subjects") or ()):
                continue
            reference = binding.get("roleRef") or {}
            kind, name = binding["kind"], binding["metadata"]["name"]
            shown = f"{name}/{namespace}" if namespace else name
            reason = f'RBAC: allowed by {kind} "{shown}" of {reference.get("kind")} "{reference.get("name")}"'
            for rule in self._rules_of(reference, namespace):
                yield rule, reason

    def _rules_of(self, reference: Object, namespace: str) -> Sequence[Object]:
        of_cluster = reference.get("kind") == "ClusterRole"
        roles = self._registry.resource(f"{'clusterroles' if of_cluster else 'roles'}.{_RBAC}")
        if roles is None:
            return ()
        role = self._registry.find(roles, Key("" if of_cluster else namespace, reference.get("name", "")))
        return (role or {}).get("rules") or ()


def _is_subject(subject: Object, user: User, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject.get("name") == user.name)
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            where = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{where}:{subject.get('name')}"
    return False


def _allows(rule: Object, wanted: Attributes) -> bool:
    if not _in(wanted.verb, rule.get("verbs")):
        return False
    if not wanted.resource:
        return any(_path_matches(pattern, wanted.path) for pattern in rule.get("nonResourceURLs") or ())
    if not _in(wanted.group, rule.get("apiGroups")):
        return False
    names = rule.get("resourceNames")
    if names and wanted.name not in names:
        return False
    subresource = wanted.resource.partition("/")[2]
    listed = rule.get("resources") or ()
    return _in(wanted.resource, listed) or bool(subresource and f"*/{subresource}" in listed)


def _in(value: str, allowed: Sequence[str] | None) -> bool:
    return allowed is not None and ("*" in allowed or value in allowed)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _refusal(user: User, wanted: Attributes) -> Forbidden:
    who = f'User "{user.name}" cannot'
    if not wanted.resource:
        return Forbidden(f'forbidden: {who} {wanted.verb} path "{wanted.path}"', details={})
    plural = wanted.resource.partition("/")[0]
    kind = f"{plural}.{wanted.group}" if wanted.group else plural
    subject = f'{kind} "{wanted.name}"' if wanted.name else kind
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    details: Object = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    what = f'{wanted.verb} resource "{wanted.resource}" in API group "{wanted.group}"'
    return Forbidden(f"{subject} is forbidden: {who} {what} {scope}", details=details | {"kind": plural})


def attributes_of(resource: Resource, verb: str, *, namespace: str, name: str, subresource: str) -> Attributes:
    """What a request for a resource wants to do."""
    full = f"{resource.plural}/{subresource}" if subresource else resource.plural
    return Attributes(verb, resource.group, full, namespace if resource.namespaced else "", name)
