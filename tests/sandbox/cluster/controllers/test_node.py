import dataclasses
from datetime import UTC, datetime

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.controllers.node import _tolerated_for, tolerates
from sandbox.cluster.resources.all import DEPLOYMENTS, NODES, PODS
from tests.sandbox.cluster.simulation import deployment

SECOND = Key("", "minikube-m02")


async def second_node(cluster):
    config = dataclasses.replace(cluster.config, node="minikube-m02", ip="192.168.49.3", primary=False)
    kubelet = cluster.new_kubelet(config)
    task = cluster.start_kubelet(kubelet)
    await cluster.advance(1)
    return kubelet, task


def ready(cluster, key):
    conditions = cluster.registry.get(NODES, key)["status"]["conditions"]
    return next((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready")


def taints(cluster, key):
    return {(t["key"], t["effect"]) for t in cluster.registry.get(NODES, key)["spec"].get("taints") or ()}


async def test_each_node_gets_addresses_for_its_pods(cluster):
    await second_node(cluster)
    cidrs = [node["spec"]["podCIDR"] for node in cluster.registry.list(NODES)]
    assert cidrs == ["10.244.0.0/24", "10.244.1.0/24"]


async def test_a_silent_node_is_noticed_and_its_pods_are_replaced(cluster):
    kubelet, task = await second_node(cluster)
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=4), namespace="default")
    await cluster.advance(1)
    there = {p["metadata"]["uid"] for p in cluster.pods() if p["spec"]["nodeName"] == SECOND.name}
    assert len(there) == 2
    task.cancel()
    await cluster.settle()
    await kubelet.stop_all()
    await cluster.advance(25)
    assert ready(cluster, SECOND) == ("Unknown", "NodeStatusUnknown")
    unreachable = "node.kubernetes.io/unreachable"
    assert taints(cluster, SECOND) == {(unreachable, "NoSchedule"), (unreachable, "NoExecute")}
    assert cluster.deployment("web")["status"]["readyReplicas"] == 2
    assert ("Normal", "NodeNotReady", "Node minikube-m02 status is now: NodeNotReady") in cluster.events(SECOND.name)
    assert len(cluster.pods()) == 4
    await cluster.advance(301)
    assert cluster.deployment("web")["status"]["readyReplicas"] == 4
    old = [p for p in cluster.pods() if p["metadata"]["uid"] in there]
    assert len(old) == 2
    assert all("deletionTimestamp" in p["metadata"] for p in old)


async def test_a_node_that_comes_back_is_ready_without_taints(cluster):
    _, task = await second_node(cluster)
    task.cancel()
    await cluster.advance(25)
    assert taints(cluster, SECOND)
    await second_node(cluster)
    assert ready(cluster, SECOND) == ("True", "KubeletReady")
    assert taints(cluster, SECOND) == set()
    assert ("Normal", "NodeReady", "Node minikube-m02 status is now: NodeReady") in cluster.events(SECOND.name)


async def test_the_pods_of_a_deleted_node_are_taken_away(cluster):
    _, task = await second_node(cluster)
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=2), namespace="default")
    await cluster.advance(1)
    task.cancel()
    await cluster.settle()
    cluster.registry.delete(NODES, SECOND)
    await cluster.advance(1)
    assert [p["spec"]["nodeName"] for p in cluster.pods()] == ["minikube", "minikube"]


async def test_cordon_is_a_taint(cluster):
    key = Key("", "minikube")
    cluster.registry.patch(NODES, key, lambda node: node["spec"].update(unschedulable=True))
    await cluster.settle()
    assert taints(cluster, key) == {("node.kubernetes.io/unschedulable", "NoSchedule")}
    cluster.registry.patch(NODES, key, lambda node: node["spec"].pop("unschedulable"))
    await cluster.settle()
    assert taints(cluster, key) == set()


async def test_a_no_execute_taint_evicts_who_does_not_tolerate_it(cluster):
    cluster.create_pod("weak")
    cluster.create_pod("strong", tolerations=[{"key": "gone", "operator": "Exists", "effect": "NoExecute"}])
    await cluster.advance(1)
    taint = {"key": "gone", "effect": "NoExecute"}
    cluster.registry.patch(NODES, Key("", "minikube"), lambda node: node["spec"].update(taints=[taint]))
    await cluster.advance(31)
    assert [pod["metadata"]["name"] for pod in cluster.pods()] == ["strong"]
    assert ("Normal", "TaintManagerEviction", "Marking for deletion Pod default/weak") in cluster.events("weak")


async def test_a_pod_deleted_before_it_had_a_node_goes_at_once(cluster):
    cluster.create_pod("toobig", nodeSelector={"no": "where"})
    await cluster.settle()
    cluster.registry.delete(PODS, Key("default", "toobig"))
    await cluster.settle()
    assert cluster.pods() == []


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "a", "value": "1"}, True),
        ({"key": "a", "value": "2"}, False),
        ({"key": "b", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration, expected):
    taint = {"key": "a", "value": "1", "effect": "NoSchedule"}
    assert (tolerates({"spec": {"tolerations": [toleration]}}, taint) is not None) is expected


async def test_a_nodes_addresses_follow_its_name(cluster):
    cluster.start_kubelet(
        cluster.new_kubelet(dataclasses.replace(cluster.config, node="minikube-m04", ip="192.168.49.5", primary=False))
    )
    await cluster.advance(1)
    assert cluster.registry.get(NODES, Key("", "minikube-m04"))["spec"]["podCIDR"] == "10.244.3.0/24"


def test_the_default_toleration_takes_what_is_configured_and_a_wish_what_it_says():
    at = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
    taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": "2026-11-24T11:59:50Z"}

    def left(seconds, **other):
        toleration = {"key": taint["key"], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        return _tolerated_for({"spec": {"tolerations": [toleration | other]}}, [taint], at, default=30.0)

    assert left(300) == 20
    assert left(301) == 291
    assert left(5) == -5
