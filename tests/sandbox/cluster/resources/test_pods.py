import copy

import pytest

from sandbox.cluster.resources.all import PODS
from sandbox.cluster.resources.pod_defaults import pull_policy, quality_of_service


def pod(*, spec=None, **container):
    containers = [{"name": "c", "image": "nginx"} | container]
    made = {"metadata": {"name": "p"}, "spec": {"containers": containers} | (spec or {})}
    PODS.default(made)
    return made


def causes(new, old=None):
    return [f"{c['field']}: {c['message']}" for c in PODS.validate(new, old)]


def test_a_pod_is_filled_in():
    spec = pod(livenessProbe={"httpGet": {"port": 80}}, ports=[{"containerPort": 80}])["spec"]
    assert spec["tolerations"][0]["tolerationSeconds"] == 300
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"
    assert spec["enableServiceLinks"] is True
    (container,) = spec["containers"]
    assert container["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert container["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry.local:5000/nginx", "Always"),
        ("registry.local:5000/nginx:v1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
    ],
)
def test_a_floating_tag_is_always_pulled(image, policy):
    assert pull_policy(image) == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "100m"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service_follows_from_requests_and_limits(resources, quality):
    assert quality_of_service(pod(resources=resources)) == quality


AT = "spec.containers[0]"
MUST_MATCH = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"image": ""}, "spec.containers[0].image: Required value"),
        (
            {"image": " nginx"},
            'spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace',
        ),
        ({"name": ""}, "spec.containers[0].name: Required value"),
        (
            {"ports": [{"containerPort": 70000}]},
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "HTTP"}]},
            'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            {"imagePullPolicy": "Sometimes"},
            'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: '
            '"Always", "IfNotPresent", "Never"',
        ),
        (
            {"volumeMounts": [{"name": "x", "mountPath": "/x"}]},
            'spec.containers[0].volumeMounts[0].name: Not found: "x"',
        ),
        ({"livenessProbe": {}}, "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        (
            {"resources": {"limits": {"memory": "lots"}}},
            f'spec.containers[0].resources.limits[memory]: Invalid value: "lots": quantities must match the regular '
            f"expression '{MUST_MATCH}'",
        ),
        (
            {"resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "1"}}},
            f'{AT}.resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m',
        ),
        (
            {"env": [{"name": "A=B", "value": "1"}]},
            'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only '
            "of printable ASCII characters other than '='",
        ),
    ],
)
def test_a_bad_container_is_refused_in_the_words_of_kubernetes(container, message):
    assert message in causes(pod(**container))


def test_a_pod_needs_containers_with_names_of_their_own():
    assert causes(pod(spec={"containers": []})) == ["spec.containers: Required value"]
    twice = pod(spec={"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]})
    assert causes(twice) == ['spec.containers[1].name: Duplicate value: "a"']


def test_a_bad_restart_policy_is_refused():
    assert causes(pod(spec={"restartPolicy": "Maybe"})) == [
        'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"'
    ]


def test_only_little_may_change_in_a_pod():
    old = pod()
    image, command = copy.deepcopy(old), copy.deepcopy(old)
    image["spec"]["containers"][0]["image"] = "nginx:2"
    command["spec"]["containers"][0]["command"] = ["sh"]
    assert causes(image, old) == []
    (message,) = causes(command, old)
    assert message.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    )


def test_a_pod_is_bound_once():
    old = pod()
    bound = copy.deepcopy(old)
    bound["spec"]["nodeName"] = "minikube"
    moved = copy.deepcopy(old)
    moved["spec"]["nodeName"] = "other"
    assert causes(bound, old) == []
    assert len(causes(moved, bound)) == 1


def test_a_new_pod_is_pending_whatever_its_author_says():
    new = pod() | {"status": {"phase": "Running"}}
    PODS.prepare_create(new)
    assert new["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert PODS.graceful(new) == 30
