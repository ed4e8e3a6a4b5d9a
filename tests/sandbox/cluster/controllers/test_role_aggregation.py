from sandbox.cluster.api.objects import Key
from sandbox.cluster.default_roles import ensure_default_roles
from sandbox.cluster.resources.all import CLUSTERROLES


async def test_a_learners_role_is_added_to_view_edit_and_admin_and_taken_away(cluster):
    ensure_default_roles(cluster.registry)
    await cluster.settle()
    rule = {"apiGroups": ["example.com"], "resources": ["crontabs"], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    assert rule not in rules(cluster, "view")
    assert {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]} in rules(
        cluster, "admin"
    )
    cluster.registry.create(CLUSTERROLES, {"metadata": {"name": "crontabs", "labels": labels}, "rules": [rule]})
    await cluster.settle()
    assert all(rule in rules(cluster, name) for name in ("view", "edit", "admin"))
    cluster.registry.delete(CLUSTERROLES, Key("", "crontabs"))
    await cluster.settle()
    assert all(rule not in rules(cluster, name) for name in ("view", "edit", "admin"))


async def test_default_roles_are_made_once(cluster):
    ensure_default_roles(cluster.registry)
    await cluster.settle()
    before = cluster.registry.revision
    ensure_default_roles(cluster.registry)
    await cluster.settle()
    assert cluster.registry.revision == before


def rules(cluster, name):
    return cluster.registry.get(CLUSTERROLES, Key("", name))["rules"]
