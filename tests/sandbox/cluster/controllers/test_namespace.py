from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS
from tests.sandbox.cluster.simulation import deployment

SHOP = Key("", "shop")


async def made(cluster):
    cluster.registry.create(NAMESPACES, {"metadata": {"name": "shop"}})
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=2), namespace="shop")
    await cluster.advance(1)


async def test_a_deleted_namespace_goes_with_everything_in_it(cluster):
    await made(cluster)
    assert len(cluster.registry.list(PODS, namespace="shop")) == 2
    cluster.registry.delete(NAMESPACES, SHOP)
    await cluster.advance(3)
    assert not cluster.registry.exists(NAMESPACES, SHOP)
    for resource in cluster.registry.resources():
        assert not resource.namespaced or not cluster.registry.list(resource, namespace="shop")


async def test_a_namespace_waits_for_its_pods_and_says_so(cluster):
    await made(cluster)
    for pod in cluster.registry.list(PODS, namespace="shop"):
        container = cluster.kubelet.container("shop", pod["metadata"]["name"], "c")
        container.kill = lambda signal, end=container.end: signal == 9 and end(137)
    cluster.registry.delete(NAMESPACES, SHOP)
    await cluster.advance(2)
    status = cluster.registry.get(NAMESPACES, SHOP)["status"]
    assert status["phase"] == "Terminating"
    conditions = {one["type"]: (one["status"], one["reason"], one["message"]) for one in status["conditions"]}
    assert conditions["NamespaceContentRemaining"] == (
        "True",
        "SomeResourcesRemain",
        "Some resources are remaining: pods. has 2 resource instances",
    )
    assert conditions["NamespaceDeletionContentFailure"][0] == "False"
    await cluster.advance(31)
    assert not cluster.registry.exists(NAMESPACES, SHOP)


async def test_a_finalizer_in_it_holds_it_up(cluster):
    cluster.registry.create(NAMESPACES, {"metadata": {"name": "shop"}})
    obj = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    cluster.registry.create(CONFIGMAPS, obj, namespace="shop")
    cluster.registry.delete(NAMESPACES, SHOP)
    await cluster.advance(2)
    conditions = cluster.registry.get(NAMESPACES, SHOP)["status"]["conditions"]
    assert [c["message"] for c in conditions if c["type"] == "NamespaceFinalizersRemaining"] == [
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    ]
    cluster.registry.patch(CONFIGMAPS, Key("shop", "held"), lambda obj: obj["metadata"].update(finalizers=[]))
    await cluster.advance(2)
    assert not cluster.registry.exists(NAMESPACES, SHOP)
