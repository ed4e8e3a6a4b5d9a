"""The roles that every cluster has: what Kubernetes calls its bootstrap policy, as far as something here uses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.rbac import CLUSTERROLEBINDINGS, CLUSTERROLES, GROUP

_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_BOTH = f"create delete deletecollection {_READ} patch update"
_ANNOTATIONS = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_PUBLIC = "/healthz /livez /readyz /version /version/"
_DISCOVERY = "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
_SCALED = "replicasets replicasets/scale replicationcontrollers/scale"

_VIEW = (
    (
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
        " replicationcontrollers/scale serviceaccounts services services/status",
        _READ,
    ),
    (
        "",
        "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status"
        " resourcequotas resourcequotas/status",
        _READ,
    ),
    ("", "namespaces", _READ),
    ("discovery.k8s.io", "endpointslices", _READ),
    (
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status"
        " replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        _READ,
    ),
    ("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    ("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    (
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status"
        f" networkpolicies {_SCALED} replicasets/status",
        _READ,
    ),
    ("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    ("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
)
_EDIT = (
    ("", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", _READ),
    ("", "serviceaccounts", "impersonate"),
    ("", "pods pods/attach pods/exec pods/portforward pods/proxy", _WRITE),
    ("", "pods/eviction", "create"),
    (
        "",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets"
        " serviceaccounts services services/proxy",
        _WRITE,
    ),
    ("", "serviceaccounts/token", "create"),
    (
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets"
        " statefulsets/scale",
        _WRITE,
    ),
    ("autoscaling", "horizontalpodautoscalers", _WRITE),
    ("batch", "cronjobs jobs", _WRITE),
    (
        "extensions",
        f"daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies {_SCALED}",
        _WRITE,
    ),
    ("policy", "poddisruptionbudgets", _WRITE),
    ("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    ("coordination.k8s.io", "leases", _BOTH),
)
_ADMIN = (
    ("authorization.k8s.io", "localsubjectaccessreviews", "create"),
    (GROUP, "rolebindings roles", _BOTH),
)
_BASIC = (
    ("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
)
_EVERYONE = ("system:authenticated", "system:unauthenticated")


def ensure_default_roles(registry: Registry) -> None:
    """Create the default roles and bindings that are missing; what somebody changed in the others stays."""
    for role in _roles():
        if not registry.exists(CLUSTERROLES, Key("", role["metadata"]["name"])):
            registry.create(CLUSTERROLES, role)
    for name, groups in (
        ("cluster-admin", ("system:masters",)),
        ("system:basic-user", _EVERYONE[:1]),
        ("system:discovery", _EVERYONE[:1]),
        ("system:public-info-viewer", _EVERYONE),
    ):
        if not registry.exists(CLUSTERROLEBINDINGS, Key("", name)):
            registry.create(CLUSTERROLEBINDINGS, _binding(name, groups))


def _roles() -> Iterator[Object]:
    everything: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    yield _role("cluster-admin", [everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}])
    yield _role("system:discovery", [{"nonResourceURLs": _DISCOVERY.split(), "verbs": ["get"]}])
    yield _role("system:public-info-viewer", [{"nonResourceURLs": _PUBLIC.split(), "verbs": ["get"]}])
    yield _role("system:basic-user", _rules(_BASIC))
    for name, rules, below in (("view", _VIEW, "edit"), ("edit", _EDIT, "admin"), ("admin", _ADMIN, "")):
        yield _role(f"system:aggregate-to-{name}", _rules(rules), aggregate_to=name)
        role = _role(name, [], aggregate_to=below)
        role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": _aggregates(name)}]}
        # The aggregation controller fills in the rules.
        yield role


def _role(name: str, rules: Sequence[Object], *, aggregate_to: str = "") -> Object:
    labels = _LABELS | (_aggregates(aggregate_to) if aggregate_to else {})
    return {"metadata": {"name": name, "labels": labels, "annotations": _ANNOTATIONS}, "rules": list(rules)}


def _aggregates(name: str) -> dict[str, str]:
    return {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}


def _rules(table: Sequence[tuple[str, str, str]]) -> list[Object]:
    return [
        {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
        for group, resources, verbs in table
    ]


def _binding(name: str, groups: Sequence[str]) -> Object:
    return {
        "metadata": {"name": name, "labels": _LABELS, "annotations": _ANNOTATIONS},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups],
    }
