from __future__ import annotations

from typing import Any

from sandbox.agent.picture import _REDUCERS, _key, compose


def reduced(**kinds: list[dict[str, Any]]) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    return {kind: {_key(item): reduce(item) for item in kinds.get(kind, [])} for kind, reduce in _REDUCERS.items()}


def named(name: str, namespace: str = "default", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, **more.pop("metadata", {})}, **more}


def test_a_pod_says_what_ails_it() -> None:
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}], "phase": "Pending"}
    pods = [named("a", status=waiting), named("b", metadata={"deletionTimestamp": "now"}), named("c", "kube-system")]
    picture = compose(reduced(pods=pods))
    assert [(pod["name"], pod["reason"], pod["deleting"]) for pod in picture["pods"]] == [
        ("a", "ImagePullBackOff", False),
        ("b", "", True),
    ]


def test_a_service_names_the_pods_behind_it() -> None:
    def endpoint(name: str, *, ready: bool) -> dict[str, Any]:
        return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}}

    labels = {"labels": {"kubernetes.io/service-name": "web"}}
    slices = [
        named("web-x", metadata=labels, endpoints=[endpoint("b", ready=True), endpoint("sick", ready=False)]),
        named("web-y", metadata=labels, endpoints=[endpoint("a", ready=True)]),
    ]
    services = [named("web", spec={"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001, "protocol": "TCP"}]})]
    [service] = compose(reduced(services=services, slices=slices))["services"]
    assert service["endpoints"] == ["a", "b"]
    assert service["ports"] == [{"port": 80, "nodePort": 30001}]


def test_a_crowd_is_cut_and_says_so() -> None:
    picture = compose(reduced(pods=[named(f"p{number}") for number in range(250)]))
    assert len(picture["pods"]) == 200
    assert picture["truncated"] is True


def test_objects_of_any_shape_do_not_break_it() -> None:
    hollow = [named("x", spec=None, status=None)]
    picture = compose(reduced(nodes=hollow, pods=hollow, services=hollow, deployments=hollow, slices=hollow))
    assert picture["nodes"] == [{"name": "x", "ready": False, "schedulable": True}]
