import dataclasses
from collections import Counter

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import DEPLOYMENTS, NODES, PODS
from sandbox.cluster.scheduler import explanation, insufficient, matches_affinity, requests_of
from tests.sandbox.cluster.simulation import deployment, simulation

NODE = Key("", "minikube")


@pytest.fixture
async def cluster(tmp_path):
    async with simulation(tmp_path) as simulated:
        yield simulated


async def more_nodes(cluster, count):
    for number in range(2, count + 1):
        config = dataclasses.replace(
            cluster.config, node=f"minikube-m{number:02d}", ip=f"192.168.49.{number + 1}", primary=False
        )
        cluster.start_kubelet(cluster.new_kubelet(config))
    await cluster.advance(1)


def scheduled(cluster, name):
    conditions = cluster.pod(name)["status"]["conditions"]
    return next((c["status"], c.get("reason"), c.get("message")) for c in conditions if c["type"] == "PodScheduled")


def asking(**requests):
    return [{"name": "c", "image": "busybox", "resources": {"requests": requests}}]


async def test_a_pod_is_bound_and_announced(cluster):
    cluster.create_pod("web")
    await cluster.settle()
    assert cluster.pod("web")["spec"]["nodeName"] == "minikube"
    assert cluster.events("web")[0] == ("Normal", "Scheduled", "Successfully assigned default/web to minikube")


async def test_a_pod_that_is_too_big_waits_and_says_why(cluster):
    cluster.create_pod("toobig", containers=asking(cpu="64", memory="1Gi"))
    await cluster.settle()
    message = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available:"
        " 1 No preemption victims found for incoming pod."
    )
    assert scheduled(cluster, "toobig") == ("False", "Unschedulable", message)
    assert cluster.events("toobig") == [("Warning", "FailedScheduling", message)]
    assert cluster.pod("toobig")["status"]["phase"] == "Pending"


async def test_it_is_bound_once_another_pod_makes_room(cluster):
    cluster.create_pod("first", containers=asking(cpu="1500m"), terminationGracePeriodSeconds=1)
    await cluster.settle()
    cluster.create_pod("second", containers=asking(cpu="1"))
    await cluster.settle()
    assert scheduled(cluster, "second")[0] == "False"
    cluster.registry.delete(PODS, Key("default", "first"))
    await cluster.advance(2)
    assert scheduled(cluster, "second")[0] == "True"


async def test_a_finished_pod_takes_no_room(cluster):
    done = asking(cpu="1500m")
    done[0]["command"] = ["sh", "-c", "exit 0"]
    cluster.create_pod("first", containers=done, restartPolicy="Never")
    await cluster.settle()
    cluster.create_pod("second", containers=asking(cpu="1500m"))
    await cluster.settle()
    assert scheduled(cluster, "second")[0] == "True"


async def test_cordoned_then_uncordoned(cluster):
    cluster.registry.patch(NODES, NODE, lambda node: node["spec"].update(unschedulable=True))
    cluster.create_pod("web")
    await cluster.settle()
    assert scheduled(cluster, "web")[2] == (
        "0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available:"
        " 1 Preemption is not helpful for scheduling."
    )
    cluster.registry.patch(NODES, NODE, lambda node: node["spec"].pop("unschedulable"))
    await cluster.settle()
    assert scheduled(cluster, "web")[0] == "True"


async def test_a_taint_keeps_pods_away(cluster):
    taint = {"key": "app", "value": "blue", "effect": "NoSchedule"}
    cluster.registry.patch(NODES, NODE, lambda node: node["spec"].update(taints=[taint]))
    cluster.create_pod("away")
    cluster.create_pod("there", tolerations=[{"key": "app", "operator": "Equal", "value": "blue"}])
    await cluster.settle()
    assert "1 node(s) had untolerated taint {app: blue}." in scheduled(cluster, "away")[2]
    assert scheduled(cluster, "there")[0] == "True"


async def test_replicas_are_spread_over_nodes(cluster):
    await more_nodes(cluster, 3)
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=6), namespace="default")
    await cluster.advance(1)
    nodes = Counter(pod["spec"]["nodeName"] for pod in cluster.pods())
    assert sorted(nodes.values()) == [2, 2, 2]


async def test_a_pod_of_another_scheduler_is_left_alone(cluster):
    cluster.create_pod("web", schedulerName="mine")
    await cluster.settle()
    assert "nodeName" not in cluster.pod("web")["spec"]


async def test_gates_hold_a_pod_back(cluster):
    cluster.create_pod("web", schedulingGates=[{"name": "example.com/wait"}])
    await cluster.settle()
    assert scheduled(cluster, "web")[1] == "SchedulingGated"


async def test_two_pods_cannot_have_the_same_port_of_the_node(cluster):
    ports = [{"name": "c", "image": "busybox", "ports": [{"containerPort": 80, "hostPort": 80}]}]
    cluster.create_pod("a", containers=ports)
    await cluster.settle()
    cluster.create_pod("b", containers=ports)
    await cluster.settle()
    assert "1 node(s) didn't have free ports for the requested pod ports." in scheduled(cluster, "b")[2]


def test_reasons_are_counted_over_nodes_and_sorted():
    faults = {
        "a": ["Insufficient cpu", "Insufficient memory"],
        "b": ["Insufficient cpu"],
        "c": ["node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }"],
    }
    assert explanation(faults) == (
        "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint"
        " {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu. preemption: 0/3 nodes are available:"
        " 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
    )
    assert explanation({}) == "no nodes available to schedule pods"


def test_what_a_pod_asks_for():
    def container(cpu, **more):
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}} | more

    spec = {"containers": [container("250m"), container("0.25")]}
    assert requests_of(spec) == Counter({"cpu": 500, "pods": 1})
    spec["initContainers"] = [container("2")]
    assert requests_of(spec)["cpu"] == 2000
    spec["initContainers"] = [container("100m", restartPolicy="Always"), container("300m")]
    assert requests_of(spec)["cpu"] == 600


def test_too_many_pods():
    assert insufficient(Counter(), Counter({"pods": 110}), Counter({"pods": 110})) == ["Too many pods"]
    assert insufficient(Counter({"memory": 5}), Counter({"memory": 4}), Counter({"memory": 8, "pods": 110})) == [
        "Insufficient memory"
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd"]}, True),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, False),
        ({"key": "gpu", "operator": "DoesNotExist"}, True),
        ({"key": "disk", "operator": "Exists"}, True),
        ({"key": "cores", "operator": "Gt", "values": ["4"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["4"]}, False),
    ],
)
def test_node_affinity(expression, expected):
    node = {"metadata": {"name": "n", "labels": {"disk": "ssd", "cores": "8"}}}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    assert matches_affinity({"affinity": {"nodeAffinity": required}}, node) is expected
    assert matches_affinity({"nodeSelector": {"disk": "hdd"}}, node) is False
