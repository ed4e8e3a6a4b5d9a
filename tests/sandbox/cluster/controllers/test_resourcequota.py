from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import PODS, RESOURCEQUOTAS


async def test_the_status_says_what_is_used(cluster):
    spec = {"hard": {"pods": "2", "requests.memory": "1Gi", "count/deployments.apps": 3}}
    cluster.registry.create(RESOURCEQUOTAS, {"metadata": {"name": "q"}, "spec": spec}, namespace="default")
    await cluster.settle()
    assert used(cluster) == {"count/deployments.apps": "0", "pods": "0", "requests.memory": "0"}
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"memory": "256Mi"}}}
    cluster.create_pod("web", containers=[container])
    await cluster.settle()
    assert used(cluster) == {"count/deployments.apps": "0", "pods": "1", "requests.memory": "256Mi"}
    cells = RESOURCEQUOTAS.cells(quota(cluster), cluster.clock.now())
    assert cells[1] == "count/deployments.apps: 0/3, pods: 1/2, requests.memory: 256Mi/1Gi"
    cluster.registry.delete(PODS, Key("default", "web"), grace=0)
    await cluster.settle()
    assert used(cluster)["pods"] == "0"


def quota(cluster):
    return cluster.registry.get(RESOURCEQUOTAS, Key("default", "q"))


def used(cluster):
    return quota(cluster)["status"]["used"]
