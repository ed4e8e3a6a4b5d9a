import re

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import DEPLOYMENTS, ENDPOINTS, ENDPOINTSLICES, PODS, SERVICES
from tests.sandbox.cluster.simulation import deployment


def service(**spec):
    full = {"selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]} | spec
    return {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": full}


def slices(cluster):
    return list(cluster.registry.list(ENDPOINTSLICES, namespace="default", labels="kubernetes.io/service-name=web"))


async def made(cluster, replicas=2, **spec):
    cluster.registry.create(SERVICES, service(**spec), namespace="default")
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=replicas), namespace="default")
    await cluster.advance(1)


async def test_a_slice_is_as_kubernetes_writes_it(cluster):
    await made(cluster, 1)
    [slice_] = slices(cluster)
    [pod] = cluster.pods()
    owner = cluster.registry.get(SERVICES, Key("default", "web"))["metadata"]["uid"]
    assert re.fullmatch("web-[bcdfghjklmnpqrstvwxz2456789]{5}", slice_["metadata"]["name"])
    assert slice_["metadata"]["generateName"] == "web-"
    assert slice_["metadata"]["labels"] == {
        "app": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    assert slice_["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "name": "web",
            "uid": owner,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert slice_["ports"] == [{"name": "", "protocol": "TCP", "port": 80}]
    assert slice_["endpoints"] == [
        {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {
                "kind": "Pod",
                "namespace": "default",
                "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
            },
            "nodeName": "minikube",
        }
    ]


async def test_a_terminating_pod_is_told_apart(cluster):
    await made(cluster, 1)
    name = cluster.pods()[0]["metadata"]["name"]
    cluster.container(name).kill = lambda signal: None
    cluster.registry.delete(PODS, Key("default", name))
    await cluster.settle()
    [found] = [e["conditions"] for e in slices(cluster)[0]["endpoints"] if e["targetRef"]["name"] == name]
    assert found == {"ready": False, "serving": True, "terminating": True}


async def test_a_hundred_endpoints_fill_a_slice(cluster):
    cluster.registry.create(SERVICES, service(), namespace="default")
    for number in range(104):
        cluster.create_pod(f"p{number:03d}")
        cluster.registry.patch(
            PODS, Key("default", f"p{number:03d}"), lambda pod: pod["metadata"].update(labels={"app": "web"})
        )
    await cluster.advance(1)
    assert sorted(len(one["endpoints"]) for one in slices(cluster)) == [4, 100]
    for number in range(10):
        cluster.registry.delete(PODS, Key("default", f"p{number:03d}"), grace=0)
    await cluster.advance(1)
    assert [len(one["endpoints"]) for one in slices(cluster)] == [94]


async def test_endpoints_written_by_hand_are_mirrored(cluster):
    by_hand = {
        "metadata": {"name": "web"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "db", "port": 5432}]}],
    }
    cluster.registry.create(ENDPOINTS, by_hand, namespace="default")
    cluster.registry.create(SERVICES, service(selector={}), namespace="default")
    await cluster.settle()
    [slice_] = slices(cluster)
    label = slice_["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    assert label == "endpointslicemirroring-controller.k8s.io"
    assert slice_["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]
    assert slice_["ports"] == [{"name": "db", "protocol": "TCP", "port": 5432}]


async def test_slices_go_with_their_service(cluster):
    await made(cluster)
    cluster.registry.delete(SERVICES, Key("default", "web"))
    await cluster.settle()
    assert slices(cluster) == []
