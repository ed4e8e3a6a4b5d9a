"""Roles and their bindings: role-based access control."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sandbox.cluster.api.names import subdomain_faults
from sandbox.cluster.api.objects import Object
from sandbox.cluster.resources.causes import invalid, required, unsupported
from sandbox.cluster.resources.printing import AGE, NAME, age, wide
from sandbox.cluster.resources.resource import Column, Resource

GROUP = "rbac.authorization.k8s.io"


def path_segment_faults(name: str) -> Sequence[str]:
    """Why a name cannot be a part of a path: these kinds allow colons and capitals."""
    if name in (".", ".."):
        return (f"may not be '{name}'",)
    return tuple(f"may not contain '{one}'" for one in ("/", "%") if one in name)


def _rule_causes(rule: Object, field: str, *, namespaced: bool) -> list[Object]:
    causes = []
    if not rule.get("verbs"):
        causes.append(required(f"{field}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        at = f"{field}.nonResourceURLs"
        if namespaced:
            causes.append(invalid(at, urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            causes.append(invalid(at, urls, "rules cannot apply to both regular resources and non-resource URLs"))
        return causes
    if not rule.get("apiGroups"):
        causes.append(required(f"{field}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        causes.append(required(f"{field}.resources", "resource rules must supply at least one resource"))
    return causes


def _validate_role(obj: Object, _old: Object | None, *, namespaced: bool) -> list[Object]:
    causes: list[Object] = []
    for index, rule in enumerate(obj.get("rules") or ()):
        causes += _rule_causes(rule, f"rules[{index}]", namespaced=namespaced)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        causes.append(required("aggregationRule.clusterRoleSelectors", why))
    return causes


def _default_role(obj: Object) -> None:
    if "aggregationRule" in obj and obj.get("rules") is None:
        obj.pop("rules", None)
        return
    # A role without rules says so: the field has no omitempty.
    obj["rules"] = obj.get("rules")


def _default_binding(obj: Object) -> None:
    reference = obj.get("roleRef")
    if isinstance(reference, dict):
        kind, name = reference.get("kind") or "", reference.get("name") or ""
        obj["roleRef"] = {"apiGroup": reference.get("apiGroup") or GROUP, "kind": kind, "name": name}
    subjects = [_subject(one) for one in obj.pop("subjects", None) or ()]
    if subjects:
        obj["subjects"] = subjects
    # Kubernetes writes subjects before the role.
    if "roleRef" in obj:
        obj["roleRef"] = obj.pop("roleRef")


def _subject(given: Object) -> Object:
    subject: Object = {"kind": given.get("kind") or ""}
    group = given.get("apiGroup") or ("" if subject["kind"] == "ServiceAccount" else GROUP)
    if group:
        subject["apiGroup"] = group
    subject["name"] = given.get("name") or ""
    if given.get("namespace"):
        subject["namespace"] = given["namespace"]
    return subject


def _subject_causes(subject: Object, field: str, *, namespaced: bool) -> list[Object]:
    causes, group = [], subject.get("apiGroup", "")
    if not subject.get("name"):
        causes.append(required(f"{field}.name"))
    match subject.get("kind"):
        case "ServiceAccount":
            name = subject.get("name")
            causes += [invalid(f"{field}.name", name, why) for why in (subdomain_faults(name) if name else ())]
            if group:
                causes.append(unsupported(f"{field}.apiGroup", group, ("",)))
            if not namespaced and not subject.get("namespace"):
                causes.append(required(f"{field}.namespace"))
        case "User" | "Group":
            if group != GROUP:
                causes.append(unsupported(f"{field}.apiGroup", group, (GROUP,)))
        case kind:
            causes.append(unsupported(f"{field}.kind", kind, ("ServiceAccount", "User", "Group")))
    return causes


def _reference_causes(reference: Object, *, namespaced: bool) -> list[Object]:
    causes = []
    if reference.get("apiGroup") != GROUP:
        causes.append(unsupported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if reference.get("kind") not in kinds:
        causes.append(unsupported("roleRef.kind", reference.get("kind", ""), kinds))
    name = reference.get("name", "")
    if not name:
        causes.append(required("roleRef.name"))
    return causes + [invalid("roleRef.name", name, why) for why in path_segment_faults(name)]


class _Reference:
    """A RoleRef as Go prints it."""

    def __init__(self, reference: Object) -> None:
        self._reference = reference

    def __str__(self) -> str:
        group, kind, name = (self._reference.get(field, "") for field in ("apiGroup", "kind", "name"))
        return f'rbac.RoleRef{{APIGroup:"{group}", Kind:"{kind}", Name:"{name}"}}'


def _validate_binding(obj: Object, old: Object | None, *, namespaced: bool) -> list[Object]:
    reference = obj.get("roleRef") or {}
    causes = _reference_causes(reference, namespaced=namespaced)
    for index, subject in enumerate(obj.get("subjects") or ()):
        causes += _subject_causes(subject, f"subjects[{index}]", namespaced=namespaced)
    if old is not None and reference != old.get("roleRef"):
        causes.append(invalid("roleRef", _Reference(reference), "cannot change roleRef"))
    return causes


def _role_cells(obj: Object, _now: datetime) -> list[object]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _binding_cells(obj: Object, now: datetime) -> list[object]:
    reference, subjects = obj.get("roleRef") or {}, obj.get("subjects") or ()

    def named(kind: str) -> str:
        return ", ".join(one["name"] for one in subjects if one["kind"] == kind)

    accounts = ", ".join(f"{s.get('namespace', '')}/{s['name']}" for s in subjects if s["kind"] == "ServiceAccount")
    role = f"{reference.get('kind')}/{reference.get('name')}"
    return [obj["metadata"]["name"], role, age(obj, now), named("User"), named("Group"), accounts]


_ROLE_COLUMNS = (NAME, Column("Created At", type="date"))
_BINDING_COLUMNS = (NAME, Column("Role"), AGE, wide("Users"), wide("Groups"), wide("ServiceAccounts"))


def _role(kind: str, *, namespaced: bool) -> Resource:
    return Resource(
        kind=kind,
        plural=f"{kind.lower()}s",
        group=GROUP,
        namespaced=namespaced,
        columns=_ROLE_COLUMNS,
        cells=_role_cells,
        name_faults=path_segment_faults,
        default=_default_role,
        validate=partial(_validate_role, namespaced=namespaced),
    )


def _binding(kind: str, *, namespaced: bool) -> Resource:
    return Resource(
        kind=kind,
        plural=f"{kind.lower()}s",
        group=GROUP,
        namespaced=namespaced,
        columns=_BINDING_COLUMNS,
        cells=_binding_cells,
        name_faults=path_segment_faults,
        default=_default_binding,
        validate=partial(_validate_binding, namespaced=namespaced),
    )


ROLES = _role("Role", namespaced=True)
CLUSTERROLES = _role("ClusterRole", namespaced=False)
ROLEBINDINGS = _binding("RoleBinding", namespaced=True)
CLUSTERROLEBINDINGS = _binding("ClusterRoleBinding", namespaced=False)
