import pytest

from sandbox.cluster.admission.limits import Limits
from sandbox.cluster.admission.priorities import Priorities
from sandbox.cluster.admission.quotas import Quotas
from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import (
    CONFIGMAPS,
    LIMITRANGES,
    NAMESPACES,
    PODS,
    PRIORITYCLASSES,
    RESOURCEQUOTAS,
    RESOURCES,
    SERVICES,
)
from sandbox.cluster.store import Store


@pytest.fixture
def registry():
    registry = Registry(Store(":memory:"), RESOURCES, admission=(Priorities(), Limits(), Quotas()))
    registry.create(NAMESPACES, {"metadata": {"name": "default"}})
    return registry


def quota(registry, name="q", **hard):
    spec = {"hard": {key.replace("_", "."): value for key, value in hard.items()}}
    registry.create(RESOURCEQUOTAS, {"metadata": {"name": name}, "spec": spec})


def limits(registry, **item):
    registry.create(LIMITRANGES, {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container"} | item]}})


def pod(registry, name="p", resources=None, **spec):
    container = {"name": "c", "image": "nginx", "resources": resources or {}}
    full = {"containers": [container]} | spec
    return registry.create(PODS, {"metadata": {"name": name}, "spec": full})


def test_what_would_exceed_a_quota_is_refused(registry):
    quota(registry, requests_memory="1Gi", pods="5")
    pod(registry, "first", {"requests": {"memory": "600Mi"}})
    with pytest.raises(Forbidden) as refused:
        pod(registry, "second", {"requests": {"memory": "700Mi"}})
    assert refused.value.message == (
        'pods "second" is forbidden: exceeded quota: q, requested: requests.memory=700Mi, used: requests.memory=600Mi,'
        " limited: requests.memory=1Gi"
    )
    pod(registry, "third", {"requests": {"memory": "400Mi"}})


def test_a_quota_on_resources_makes_pods_say_what_they_need(registry):
    quota(registry, limits_cpu="2", requests_memory="1Gi")
    with pytest.raises(Forbidden) as refused:
        pod(registry)
    assert refused.value.message == (
        'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c'
    )


def test_objects_are_counted(registry):
    quota(registry, configmaps="1", services_nodeports="1", **{"count/pods": "1"})
    registry.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    with pytest.raises(Forbidden, match="requested: configmaps=1, used: configmaps=1, limited: configmaps=1"):
        registry.create(CONFIGMAPS, {"metadata": {"name": "b"}})
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    with pytest.raises(Forbidden, match=r"requested: services\.nodeports=2, used: services\.nodeports=0"):
        registry.create(SERVICES, {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}})
    pod(registry)
    with pytest.raises(Forbidden, match="exceeded quota: q, requested: count/pods=1"):
        pod(registry, "other")


def test_scopes_choose_pods(registry):
    registry.create(
        RESOURCEQUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": 0}, "scopes": ["BestEffort"]}}
    )
    pod(registry, "exact", {"requests": {"cpu": "1"}})
    with pytest.raises(Forbidden, match="exceeded quota"):
        pod(registry, "best")


def test_a_limit_range_fills_in_and_says_so(registry):
    limits(registry, default={"cpu": "500m", "memory": "512Mi"}, defaultRequest={"cpu": "100m"})
    made = pod(registry)
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "512Mi"},
        "requests": {"cpu": "100m", "memory": "512Mi"},
    }
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": (
            "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c"
        )
    }
    own = pod(registry, "own", {"limits": {"cpu": "200m", "memory": "1Gi"}})
    assert own["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "200m", "memory": "1Gi"}


def test_what_is_out_of_range_is_refused(registry):
    limits(registry, min={"cpu": "200m"}, max={"cpu": "800m"})
    for resources, said in (
        ({"limits": {"cpu": "1500m"}}, "maximum cpu usage per Container is 800m, but limit is 1500m"),
        ({"requests": {"cpu": "100m"}}, "minimum cpu usage per Container is 200m, but request is 100m"),
    ):
        with pytest.raises(Forbidden) as refused:
            pod(registry, resources=resources)
        assert refused.value.message == f'pods "p" is forbidden: {said}'


def test_a_priority_follows_from_the_class(registry):
    with pytest.raises(Forbidden, match="no PriorityClass with name high was found"):
        pod(registry, priorityClassName="high")
    registry.create(PRIORITYCLASSES, {"metadata": {"name": "high"}, "value": 1000})
    assert pod(registry, priorityClassName="high")["spec"]["priority"] == 1000
    registry.create(PRIORITYCLASSES, {"metadata": {"name": "usual"}, "value": 5, "globalDefault": True})
    assert pod(registry, "q")["spec"]["priorityClassName"] == "usual"
    with pytest.raises(Forbidden, match="Only one default can exist"):
        registry.create(PRIORITYCLASSES, {"metadata": {"name": "other"}, "globalDefault": True})
