from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.agent.jsonpath import PathError, evaluate

POD = {
    "metadata": {"name": "web", "labels": {"app": "web", "app.kubernetes.io/name": "x"}},
    "spec": {"containers": [{"name": "a", "image": "nginx:1"}, {"name": "b", "image": "redis", "ports": [{"p": 80}]}]},
    "status": {
        "ready": True,
        "count": 3,
        "share": 0.5,
        "none": None,
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
PODS = {"items": [POD, {"metadata": {"name": "db"}, "status": {"count": 1}}]}


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("{.metadata.name}", "web"),
        (".metadata.name", "web"),
        ("metadata.name", "web"),
        ("{$.metadata.name}", "web"),
        ("{.metadata.labels}", '{"app":"web","app.kubernetes.io/name":"x"}'),
        ("{.metadata.labels.app\\.kubernetes\\.io/name}", "x"),
        ("{.metadata.labels['app.kubernetes.io/name']}", "x"),
        ("{.metadata['name','labels']}", 'web {"app":"web","app.kubernetes.io/name":"x"}'),
        ("{.spec.containers[*].image}", "nginx:1 redis"),
        ("{.spec.containers[0].image}", "nginx:1"),
        ("{.spec.containers[-1].name}", "b"),
        ("{.spec.containers[0:1].name}", "a"),
        ("{.spec.containers[0,1].name}", "a b"),
        ("{.spec.containers[7].name}", ""),
        ('{.spec.containers[?(@.name=="b")].image}', "redis"),
        ("{.spec.containers[?(@.name!='b')].image}", "nginx:1"),
        ("{.spec.containers[?(@.ports)].name}", "b"),
        ("{.spec.containers[?(@.ports[0].p>=80)].name}", "b"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.ready}", "true"),
        ("{.status.count}", "3"),
        ("{.status.share}", "0.5"),
        ("{.status.nothing}", ""),
        ("{..image}", "nginx:1 redis"),
        ("{.metadata.name}={.status.count}", "web=3"),
        ('{range .spec.containers[*]}{.name}:{.image}{"\\n"}{end}', "a:nginx:1\nb:redis\n"),
    ],
)
def test_it_prints_what_kubectl_prints(expression: str, printed: str) -> None:
    assert evaluate(expression, POD) == printed


def test_it_goes_over_lists_of_objects() -> None:
    assert evaluate("{.items[*].metadata.name}", PODS) == "web db"
    assert evaluate("{.items[?(@.status.count>2)].metadata.name}", PODS) == "web"


@pytest.mark.parametrize(
    "expression", ["{.a", "{.a[}", "{range .a}", "{.a}{end}", "{.a[x]}", "{.a.}x{", "{.a[?(@.b==zzz)]}"]
)
def test_a_broken_expression_is_an_error(expression: str) -> None:
    with pytest.raises(PathError):
        evaluate(expression, POD)


@given(st.text(alphabet="{}[].*?@$()='\"\\ab01:,<>! \n", max_size=40))
def test_no_expression_does_worse_than_a_path_error(expression: str) -> None:
    with contextlib.suppress(PathError):
        evaluate(expression, POD)
