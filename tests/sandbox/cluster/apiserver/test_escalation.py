import pytest

from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.apiserver.authorization import Attributes, Authorizer
from sandbox.cluster.apiserver.escalation import Escalation
from sandbox.cluster.apiserver.messages import ADMIN, User
from sandbox.cluster.default_roles import ensure_default_roles
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    NAMESPACES,
    RESOURCES,
    ROLEBINDINGS,
    ROLES,
)
from sandbox.cluster.store import Store

JANE = User("jane", ("system:authenticated",))


@pytest.fixture
def registry():
    registry = Registry(Store(":memory:"), RESOURCES)
    registry.create(NAMESPACES, {"metadata": {"name": "default"}})
    ensure_default_roles(registry)
    return registry


@pytest.fixture
def check(registry):
    return Escalation(registry, Authorizer(registry)).check


def grant(registry, *rules):
    role = {"metadata": {"name": "manager"}, "rules": list(rules)}
    registry.create(ROLES, role, namespace="default")
    registry.create(ROLEBINDINGS, binding("manager"), namespace="default")


def rule(resources, verbs, group="rbac.authorization.k8s.io", **more):
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()} | more


def binding(role, kind="Role"):
    return {
        "metadata": {"name": f"{role}-jane", "namespace": "default"},
        "roleRef": {"kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": "jane"}],
    }


def role(*rules):
    return {"metadata": {"name": "r", "namespace": "default"}, "rules": list(rules)}


def test_nobody_grants_what_they_do_not_hold(registry, check):
    grant(registry, rule("roles", "create"), rule("pods", "get list", group=""))
    check(JANE, ROLES, role(rule("pods", "list get", group="")), None)
    with pytest.raises(ApiError) as refused:
        check(JANE, ROLES, role(rule("pods secrets", "get delete", group="")), None)
    assert refused.value.code == 403
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting'
        " to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
    )
    check(ADMIN, ROLES, role(rule("*", "*", group="*")), None)


def test_a_right_on_one_name_is_no_right_on_all(registry, check):
    grant(registry, rule("secrets", "get", group="", resourceNames=["mine"]))
    check(JANE, ROLES, role(rule("secrets", "get", group="", resourceNames=["mine"])), None)
    with pytest.raises(ApiError, match="not currently held"):
        check(JANE, ROLES, role(rule("secrets", "get", group="")), None)


def test_who_may_escalate_may(registry, check):
    grant(registry, rule("roles", "escalate"))
    check(JANE, ROLES, role(rule("*", "*", group="*")), None)


def test_what_does_not_grow_may_be_written(registry, check):
    old = role(rule("secrets", "get", group=""))
    check(JANE, ROLES, old | {"metadata": old["metadata"] | {"labels": {"a": "b"}}}, old)


def test_a_role_is_bound_by_those_who_hold_it_or_may_bind_it(registry, check):
    with pytest.raises(ApiError, match="not currently held"):
        check(JANE, ROLEBINDINGS, binding("cluster-admin", "ClusterRole"), None)
    with pytest.raises(ApiError, match=r'clusterroles.* "nosuch" not found'):
        check(JANE, ROLEBINDINGS, binding("nosuch", "ClusterRole"), None)
    grant(registry, rule("clusterroles", "bind", resourceNames=["cluster-admin"]))
    check(JANE, ROLEBINDINGS, binding("cluster-admin", "ClusterRole"), None)


def test_aggregation_is_for_administrators(registry, check):
    grant(registry, rule("clusterroles", "create"))
    obj = role() | {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    with pytest.raises(ApiError, match="must have cluster-admin privileges to use an aggregationRule"):
        check(JANE, CLUSTERROLES, obj, None)


def test_a_binding_of_nothing_is_named_in_the_refusal(registry):
    bound = binding("nosuch", "ClusterRole")
    bound["metadata"].pop("namespace")
    registry.create(CLUSTERROLEBINDINGS, bound)
    with pytest.raises(ApiError) as refused:
        Authorizer(registry).check(JANE, Attributes("list", "", "pods", "default"))
    assert refused.value.message == (
        'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": RBAC:'
        ' clusterrole.rbac.authorization.k8s.io "nosuch" not found'
    )
