import copy
import json
from pathlib import Path

import pytest

from sandbox.cluster.resources.all import DEPLOYMENTS

RECORDED = json.loads((Path(__file__).parents[1] / "recordings" / "tables.json").read_text())


def deployment(**spec):
    container = {"name": "nginx", "image": "nginx:1.14.2", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"app": "nginx"}}, "spec": {"containers": [container]}}
    return {
        "metadata": {"name": "nginx-deployment"},
        "spec": {"selector": {"matchLabels": {"app": "nginx"}}, "template": template} | spec,
    }


def causes(new, old=None):
    DEPLOYMENTS.default(new)
    if old:
        DEPLOYMENTS.default(old)
    return [f"{c['field']}: {c['message']}" for c in DEPLOYMENTS.validate(new, old)]


def test_a_short_manifest_becomes_what_kubernetes_stores():
    (row,) = RECORDED["deployments"]["rows"]
    short = deployment(replicas=3)
    DEPLOYMENTS.default(short)
    assert json.dumps(short["spec"]) == json.dumps(row["object"]["spec"])
    assert causes(short) == []


def test_zero_replicas_stay_zero():
    empty = deployment(replicas=0)
    DEPLOYMENTS.default(empty)
    assert empty["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"selector": {}},
            "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), "
            "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for deployment",
        ),
        (
            {"selector": {"matchLabels": {"app": "web"}}},
            'spec.template.metadata.labels: Invalid value: map[string]string{"app":"nginx"}: '
            "`selector` does not match template `labels`",
        ),
        (
            {"strategy": {"type": "Sideways"}},
            'spec.strategy.type: Unsupported value: "Sideways": supported values: "Recreate", "RollingUpdate"',
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}},
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_kubernetes(spec, message):
    assert causes(deployment(**spec)) == [message]


def test_a_template_may_only_restart_always():
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    assert causes(wrong) == ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']


def test_without_a_selector_no_label_matches():
    assert causes(deployment(selector=None)) == [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: map[string]string{"app":"nginx"}: '
        "`selector` does not match template `labels`",
    ]


def test_a_selector_is_well_formed():
    wrong = [("Is", None), ("In", None), ("Exists", ["b"])]
    expressions = [{"key": "a", "operator": operator, "values": values} for operator, values in wrong]
    assert causes(deployment(selector={"matchExpressions": expressions})) == [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
        "spec.selector.matchExpressions[1].values: Required value: must be specified when `operator` is 'In' or "
        "'NotIn'",
        "spec.selector.matchExpressions[2].values: Forbidden: may not be specified when `operator` is 'Exists' or "
        "'DoesNotExist'",
    ]


def test_the_selector_is_immutable():
    new = deployment(selector={"matchLabels": {"app": "nginx", "v": "2"}})
    new["spec"]["template"]["metadata"]["labels"]["v"] = "2"
    (message,) = causes(new, deployment())
    assert message.startswith(
        'spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"nginx", '
    )
    assert message.endswith("}: field is immutable")


def test_a_new_spec_is_a_new_generation():
    old = deployment()
    DEPLOYMENTS.default(old)
    DEPLOYMENTS.prepare_create(old)
    same, new = copy.deepcopy(old), copy.deepcopy(old)
    same["metadata"]["labels"] = {"a": "b"}
    new["spec"]["replicas"] = 5
    for changed, generation in ((same, 1), (new, 2)):
        DEPLOYMENTS.prepare_update(changed, old)
        assert changed["metadata"]["generation"] == generation
