import copy
import json
from pathlib import Path

import pytest

from sandbox.cluster.api.errors import BadRequest
from sandbox.cluster.apiserver.fieldvalidation import check, fields
from sandbox.cluster.resources.all import CONFIGMAPS, DEPLOYMENTS, EVENTS, PODS, RESOURCES, SECRETS, SERVICES
from sandbox.cluster.resources.resource import Resource

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "tables.json").read_text())


def pod(**container):
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"} | container]}}


@pytest.mark.parametrize("resource", [r for r in RESOURCES if RECORDED.get(r.plural, {}).get("rows")], ids=str)
def test_real_objects_fit(resource):
    for row in RECORDED[resource.plural]["rows"]:
        assert list(check(resource, copy.deepcopy(row["object"]), "Strict")) == []


def test_unknown_fields_are_refused_warned_of_or_dropped():
    body = pod(imagee="y") | {"spce": {}}
    body["spec"]["containers"].append({"name": "d", "image": "x", "livenessProbe": {"httpGet": {"prot": 1}}})
    paths = ["spec.containers[0].imagee", "spec.containers[1].livenessProbe.httpGet.prot", "spce"]
    messages = [f'unknown field "{path}"' for path in paths]
    with pytest.raises(BadRequest) as refused:
        check(PODS, copy.deepcopy(body), "Strict")
    assert str(refused.value) == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.containers[0].imagee", '
        'unknown field "spec.containers[1].livenessProbe.httpGet.prot", unknown field "spce"'
    )
    warned = copy.deepcopy(body)
    assert sorted(check(PODS, warned, "Warn")) == sorted(messages)
    assert "spce" not in warned
    assert "imagee" not in warned["spec"]["containers"][0]
    assert list(check(PODS, body, "Ignore")) == []


def test_fields_given_twice_are_refused_or_warned_of():
    spec = '{"containers":[{"name":"c","image":"x","image":"y"}]}'
    text = f'{{"metadata":{{"name":"a"}},"spec":{spec},"kind":"Pod","kind":"Pod"}}'
    messages = ['duplicate field "kind"', 'duplicate field "spec.containers[0].image"']
    body = json.loads(text, object_pairs_hook=fields)
    assert list(check(PODS, copy.deepcopy(body), "Warn")) == messages
    assert body["spec"]["containers"][0]["image"] == "y"
    with pytest.raises(BadRequest, match=f"strict decoding error: {messages[0]}, "):
        check(PODS, body, "Strict")


@pytest.mark.parametrize(
    ("resource", "body", "message"),
    [
        (
            DEPLOYMENTS,
            {"spec": {"replicas": "three"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENTS,
            {"spec": {"replicas": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENTS,
            {"spec": {"replicas": 1 << 40}},
            "json: cannot unmarshal number 1099511627776 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            PODS,
            {"spec": {"containers": "nginx"}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            PODS,
            pod(ports=[{"containerPort": "http"}]),
            "json: cannot unmarshal string into Go struct field "
            "ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            PODS,
            pod(env=[{"name": "A", "value": 5}]),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
        ),
        (PODS, {"spec": []}, "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"),
        (
            CONFIGMAPS,
            {"data": {"a": True}},
            "json: cannot unmarshal bool into Go struct field ConfigMap.data of type string",
        ),
        (
            PODS,
            pod(resources={"limits": {"memory": "lots"}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (SECRETS, {"data": {"x": "not base64!!"}}, "illegal base64 data at input byte 3"),
        (
            EVENTS,
            {"firstTimestamp": "today"},
            'parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"',
        ),
    ],
)
def test_wrong_types_are_refused_in_the_words_of_kubernetes(resource, body, message):
    with pytest.raises(BadRequest) as refused:
        check(resource, body, "Ignore")
    assert str(refused.value) == f'{resource.kind} in version "v1" cannot be handled as a {resource.kind}: {message}'


def test_nulls_and_numbers_become_what_kubernetes_stores():
    body = pod(resources={"limits": {"cpu": 0.5, "memory": 1024}}, command=None)
    body["metadata"]["labels"] = {"a": None}
    body["spec"]["containers"].append(None)
    body["spec"]["volumes"] = None
    check(PODS, body, "Strict")
    assert body["spec"] == {
        "containers": [
            {"name": "c", "image": "x", "resources": {"limits": {"cpu": "500m", "memory": "1024"}}},
            {},
        ]
    }
    assert body["metadata"]["labels"] == {"a": ""}


def test_numbers_and_names_are_both_ports():
    ports = [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8080}]
    assert list(check(SERVICES, {"spec": {"ports": ports}}, "Strict")) == []


def test_kinds_without_a_schema_are_left_alone():
    custom = Resource("CronTab", "crontabs", group="stable.example.com")
    body = {"spec": {"anything": [1, None]}}
    assert list(check(custom, body, "Strict")) == []
    assert body == {"spec": {"anything": [1, None]}}
