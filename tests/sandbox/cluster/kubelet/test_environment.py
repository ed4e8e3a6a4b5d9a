import base64

import pytest

from sandbox.cluster.kubelet.environment import (
    ConfigError,
    Node,
    environment,
    expand,
    field_value,
    mentioned,
    resource_value,
    service_variables,
)
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import CONFIGMAPS, NAMESPACES, RESOURCES, SECRETS, SERVICES
from sandbox.cluster.store import Store

NODE = Node("192.168.49.2", {"cpu": "2", "memory": "4Gi"})
POD = {
    "metadata": {
        "name": "web",
        "namespace": "default",
        "uid": "u",
        "labels": {"app": "web", "tier": 'a"b'},
        "annotations": {"note": "n"},
    },
    "spec": {"nodeName": "minikube", "serviceAccountName": "default", "containers": [{"name": "c"}]},
}


@pytest.fixture
def registry():
    made = Registry(Store(), RESOURCES)
    made.create(NAMESPACES, {"metadata": {"name": "default"}})
    service(made, "kubernetes", "10.96.0.1", {"name": "https", "port": 443})
    return made


def service(registry, name, address, *ports):
    spec = {
        "clusterIP": address,
        "clusterIPs": [address],
        "ports": [{"protocol": "TCP", "targetPort": 1} | p for p in ports],
    }
    registry.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, namespace="default")


def variables(registry, **container):
    return environment(POD, {"name": "c"} | container, registry=registry, node=NODE, pod_ip="10.244.0.5")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$$$$", "$$"),
    ],
)
def test_references(text, expected):
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_without_other_services_there_are_the_seven_variables_of_kubernetes(registry):
    assert variables(registry) == {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        "KUBERNETES_PORT": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
        "KUBERNETES_PORT_443_TCP_PORT": "443",
        "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
    }


def test_services_are_linked_unless_the_pod_says_no(registry):
    service(registry, "my-db", "10.96.0.7", {"name": "sql", "port": 5432}, {"name": "metrics", "port": 9})
    linked = service_variables(registry, "default", links=True)
    assert linked["MY_DB_SERVICE_HOST"] == "10.96.0.7"
    assert linked["MY_DB_SERVICE_PORT"] == "5432"
    assert linked["MY_DB_SERVICE_PORT_METRICS"] == "9"
    assert linked["MY_DB_PORT_9_TCP_ADDR"] == "10.96.0.7"
    assert not any(name.startswith("MY_DB") for name in service_variables(registry, "default", links=False))


def test_later_variables_may_use_earlier_ones(registry):
    env = [{"name": "A", "value": "a"}, {"name": "B", "value": "$(A)b $(KUBERNETES_SERVICE_HOST)"}]
    assert variables(registry, env=env)["B"] == "ab 10.96.0.1"


def test_all_keys_of_a_config_map_with_a_prefix(registry):
    registry.create(CONFIGMAPS, {"metadata": {"name": "cm"}, "data": {"a": "1", "b": "2"}}, namespace="default")
    found = variables(registry, envFrom=[{"prefix": "X_", "configMapRef": {"name": "cm"}}])
    assert (found["X_a"], found["X_b"]) == ("1", "2")


def test_one_key_of_a_secret(registry):
    data = {"password": base64.b64encode(b"s3cret").decode()}
    registry.create(SECRETS, {"metadata": {"name": "db"}, "data": data}, namespace="default")
    source = {"secretKeyRef": {"name": "db", "key": "password"}}
    assert variables(registry, env=[{"name": "P", "valueFrom": source}])["P"] == "s3cret"


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "nope"}}]}, 'configmap "nope" not found'),
        ({"envFrom": [{"secretRef": {"name": "nope"}}]}, 'secret "nope" not found'),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "x"}}}]},
            "couldn't find key x in ConfigMap default/cm",
        ),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, "unsupported fieldPath: spec.x"),
    ],
)
def test_what_is_missing_is_said_as_the_kubelet_says_it(registry, container, message):
    registry.create(CONFIGMAPS, {"metadata": {"name": "cm"}, "data": {"a": "1"}}, namespace="default")
    with pytest.raises(ConfigError) as error:
        variables(registry, **container)
    assert str(error.value) == message


def test_what_is_optional_may_be_missing(registry):
    optional = {"configMapKeyRef": {"name": "nope", "key": "x", "optional": True}}
    found = variables(
        registry,
        envFrom=[{"configMapRef": {"name": "nope", "optional": True}}],
        env=[{"name": "A", "valueFrom": optional}],
    )
    assert "A" not in found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="web"\ntier="a\\"b"'),
        ("spec.nodeName", "minikube"),
        ("status.podIP", "10.244.0.5"),
        ("status.hostIP", "192.168.49.2"),
    ],
)
def test_fields(path, expected):
    assert field_value(POD, path, node=NODE, pod_ip="10.244.0.5") == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.cpu"}, "1"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "4096"),
        ({"resource": "requests.memory"}, "33554432"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resources_are_rounded_up_and_without_a_limit_the_node_is_it(reference, expected):
    container = {"name": "c", "resources": {"limits": {"cpu": "500m"}, "requests": {"memory": "32Mi"}}}
    pod = POD | {"spec": {"containers": [container]}}
    assert resource_value(pod, reference, container, node=NODE) == expected


def test_names_that_a_pod_mentions():
    spec = {
        "containers": [
            {"envFrom": [{"secretRef": {"name": "a"}}], "env": [{"valueFrom": {"configMapKeyRef": {"name": "b"}}}]}
        ],
        "volumes": [{"secret": {"secretName": "c"}}, {"projected": {"sources": [{"configMap": {"name": "d"}}]}}],
    }
    assert set(mentioned(spec)) == {"a", "b", "c", "d"}
