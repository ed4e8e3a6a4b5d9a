"""Who may do what: role-based access control over the cluster's own Role and ClusterRole objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.messages import Request, User
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"


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
        broken: list[str] = []
        for rule, reason in self._rules(user, wanted.namespace, broken):
            if allows(rule, wanted):
                return Decision(allowed=True, reason=reason)
        if not broken:
            return Decision(allowed=False)
        listed = broken[0] if len(broken) == 1 else f"[{', '.join(broken)}]"
        return Decision(allowed=False, reason=f"RBAC: {listed}")

    def check(self, user: User, wanted: Attributes) -> None:
        """Raise Forbidden unless the user may do it."""
        decision = self.decide(user, wanted)
        if not decision.allowed:
            raise _refusal(user, wanted, decision.reason)

    def rules(self, user: User, namespace: str) -> Sequence[Object]:
        """All rules that hold for a user in a namespace, for `auth can-i --list`."""
        return [rule for rule, _ in self._rules(user, namespace, [])]

    def _rules(self, user: User, namespace: str, broken: list[str]) -> Iterator[tuple[Object, str]]:
        """Each rule with the reason that it gives; bindings of roles that do not exist are added to `broken`."""
        yield from self._bound(user, "clusterrolebindings", "", broken)
        if namespace:
            yield from self._bound(user, "rolebindings", namespace, broken)

    def _bound(self, user: User, plural: str, namespace: str, broken: list[str]) -> Iterator[tuple[Object, str]]:
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
            rules = self._rules_of(reference, namespace)
            if rules is None:
                broken.append(f'{reference.get("kind", "").lower()}.{_RBAC} "{reference.get("name")}" not found')
                continue
            for rule in rules:
                yield rule, reason

    def _rules_of(self, reference: Object, namespace: str) -> Sequence[Object] | None:
        of_cluster = reference.get("kind") == "ClusterRole"
        roles = self._registry.resource(f"{'clusterroles' if of_cluster else 'roles'}.{_RBAC}")
        if roles is None:
            return ()
        role = self._registry.find(roles, Key("" if of_cluster else namespace, reference.get("name", "")))
        return None if role is None else role.get("rules") or ()


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


def allows(rule: Object, wanted: Attributes) -> bool:
    """Whether one PolicyRule gives a right."""
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


def _refusal(user: User, wanted: Attributes, reason: str) -> Forbidden:
    who, because = f'User "{user.name}" cannot', f": {reason}" if reason else ""
    if not wanted.resource:
        return Forbidden(f'forbidden: {who} {wanted.verb} path "{wanted.path}"{because}', details={})
    plural = wanted.resource.partition("/")[0]
    kind = f"{plural}.{wanted.group}" if wanted.group else plural
    subject = f'{kind} "{wanted.name}"' if wanted.name else kind
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    details: Object = {"name": wanted.name} if wanted.name else {}
    if wanted.group:
        details["group"] = wanted.group
    what = f'{wanted.verb} resource "{wanted.resource}" in API group "{wanted.group}"'
    return Forbidden(f"{subject} is forbidden: {who} {what} {scope}{because}", details=details | {"kind": plural})


def impersonation(other: User, request: Request) -> Iterator[Attributes]:
    """The rights that one needs to act as somebody else: `kubectl --as`."""
    if other.name.startswith("system:serviceaccount:") and other.name.count(":") == 3:
        _, _, namespace, name = other.name.split(":")
        yield Attributes("impersonate", "", "serviceaccounts", namespace, name)
    else:
        yield Attributes("impersonate", "", "users", name=other.name)
    for key, value in request.headers:
        if key == "impersonate-group":
            yield Attributes("impersonate", "", "groups", name=value)
        elif key == "impersonate-uid":
            yield Attributes("impersonate", "authentication.k8s.io", "uids", name=value)
        elif key.startswith("impersonate-extra-"):
            extra = key.removeprefix("impersonate-extra-")
            yield Attributes("impersonate", "authentication.k8s.io", f"userextras/{extra}", name=value)


def attributes_of(resource: Resource, verb: str, *, namespace: str, name: str, subresource: str) -> Attributes:
    """What a request for a resource wants to do."""
    full = f"{resource.plural}/{subresource}" if subresource else resource.plural
    return Attributes(verb, resource.group, full, namespace if resource.namespaced else "", name)
