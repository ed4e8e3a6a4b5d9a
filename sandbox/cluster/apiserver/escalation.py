"""Nobody can grant rights that they do not hold: what a write to roles and bindings must respect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from sandbox.cluster.api.errors import Forbidden, NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.apiserver.authorization import MASTERS, Attributes, Authorizer, allows
from sandbox.cluster.apiserver.messages import User
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.rbac import CLUSTERROLES, GROUP, ROLES
from sandbox.cluster.resources.resource import Resource

_ALL: tuple[Object, ...] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
_FIELDS = (
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
    ("verbs", "Verbs"),
)


class Escalation:
    """Refuses roles and bindings that would give somebody more than their writer has."""

    def __init__(self, registry: Registry, authorizer: Authorizer) -> None:
        self._registry = registry
        self._authorizer = authorizer

    def check(self, user: User, resource: Resource, new: Object, old: Object | None) -> None:
        """Raise Forbidden (or NotFound, of a role that is bound) unless the user may write `new` over `old`."""
        if resource.group != GROUP or MASTERS in user.groups:
            return
        if resource.plural in ("roles", "clusterroles"):
            self._check_role(user, resource, new, old)
        else:
            self._check_binding(user, resource, new, old)

    def _check_role(self, user: User, resource: Resource, new: Object, old: Object | None) -> None:
        metadata = new.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        fields = ("rules", "aggregationRule")
        if old is not None and all(new.get(field) == old.get(field) for field in fields):
            return
        if self._may(user, "escalate", resource.plural, namespace, name):
            return
        if new.get("aggregationRule") and self._missing(user, _ALL, ""):
            raise Forbidden(resource, name, "must have cluster-admin privileges to use an aggregationRule")
        self._check_rules(user, resource, name, new.get("rules") or (), namespace)

    def _check_binding(self, user: User, resource: Resource, new: Object, old: Object | None) -> None:
        metadata = new.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        before = old or {}
        reference = {**(before.get("roleRef") or {}), **(new.get("roleRef") or {})}
        same = reference == before.get("roleRef") and new.get("subjects") == before.get("subjects")
        if old is not None and same:
            return
        roles = CLUSTERROLES if reference.get("kind") == "ClusterRole" else ROLES
        role_name = str(reference.get("name") or "")
        if self._may(user, "bind", roles.plural, namespace, role_name):
            return
        role = self._registry.find(roles, Key(namespace if roles.namespaced else "", role_name))
        if role is None:
            raise NotFound(roles, role_name)
        self._check_rules(user, resource, name, role.get("rules") or (), namespace)

    def _may(self, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
        wanted = Attributes(verb, GROUP, plural, namespace, name)
        return self._authorizer.decide(user, wanted).allowed

    def _check_rules(self, user: User, resource: Resource, name: str, rules: Sequence[Object], namespace: str) -> None:
        missing = self._missing(user, rules, namespace)
        if not missing:
            return
        listed = "\n".join(sorted({_shown(rule) for rule in _compact(missing)}))
        groups = _go_list(user.groups)
        why = (
            f"user {json.dumps(user.name)} (groups={groups}) is attempting to grant RBAC permissions not currently"
            f" held:\n{listed}"
        )
        raise Forbidden(resource, name, why)

    def _missing(self, user: User, rules: Sequence[Object], namespace: str) -> list[Object]:
        held = self._authorizer.rules(user, namespace)
        return [one for rule in rules for one in _simple(rule) if not any(_covers(own, one) for own in held)]


def _simple(rule: Object) -> Iterator[Object]:
    """The rules of one verb on one thing that a rule consists of."""
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                one: Object = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                for name in rule.get("resourceNames") or (None,):
                    yield one if name is None else one | {"resourceNames": [name]}


def _covers(own: Object, one: Object) -> bool:
    verb = one["verbs"][0]
    if "nonResourceURLs" in one:
        return allows(own, Attributes(verb, path=one["nonResourceURLs"][0]))
    if own.get("resourceNames") and "resourceNames" not in one:
        return False
    name = next(iter(one.get("resourceNames") or ()), "")
    return allows(own, Attributes(verb, one["apiGroups"][0], one["resources"][0], name=name))


def _compact(rules: Iterable[Object]) -> list[Object]:
    """One rule for all verbs on the same resource, as Kubernetes words them."""
    compact: dict[tuple[str, str], Object] = {}
    others = []
    for rule in rules:
        if "nonResourceURLs" in rule or "resourceNames" in rule:
            others.append(rule)
            continue
        key = (rule["apiGroups"][0], rule["resources"][0])
        verbs = compact.setdefault(key, rule | {"verbs": []})["verbs"]
        verbs += [verb for verb in rule["verbs"] if verb not in verbs]
    return [*others, *compact.values()]


def _shown(rule: Object) -> str:
    return "{" + ", ".join(f"{shown}:{_go_list(rule[field])}" for field, shown in _FIELDS if rule.get(field)) + "}"


def _go_list(values: Iterable[str]) -> str:
    return "[" + " ".join(json.dumps(value, ensure_ascii=False) for value in values) + "]"
