from sandbox.cluster.resources.all import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES


def causes(resource, obj, old=None):
    obj = {"kind": resource.kind, "metadata": {"name": "x"}} | obj
    return [f"{c['field']}: {c['message']}" for c in resource.validate(obj, old)]


def test_a_rule_names_verbs_groups_and_resources():
    assert causes(ROLES, {"rules": [{}]}) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]


def test_paths_are_for_cluster_roles():
    rules = [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]
    assert causes(CLUSTERROLES, {"rules": rules}) == []
    assert causes(ROLES, {"rules": rules}) == [
        'rules[0].nonResourceURLs: Invalid value: []string{"/metrics"}: namespaced rules cannot apply to non-resource'
        " URLs"
    ]


def test_a_binding_is_completed_and_keeps_its_role():
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "app"}],
    }
    ROLEBINDINGS.default(binding)
    assert binding["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert binding["subjects"] == [
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"},
        {"kind": "ServiceAccount", "name": "app"},
    ]
    assert causes(ROLEBINDINGS, binding, binding) == []
    other = binding | {"roleRef": binding["roleRef"] | {"name": "writer"}}
    assert causes(ROLEBINDINGS, other, binding) == [
        'roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"writer"}:'
        " cannot change roleRef"
    ]


def test_a_cluster_role_binding_binds_cluster_roles_and_says_whose_account():
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "app"}, {"kind": "Robot", "name": "r"}],
    }
    assert causes(CLUSTERROLEBINDINGS, binding) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value",
        'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ]


def test_names_may_have_colons():
    assert ROLES.name_faults("system:reader") == ()
    assert ROLES.name_faults("a/b") == ("may not contain '/'",)
