from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import CONFIGMAPS, DEPLOYMENTS
from tests.sandbox.cluster.simulation import deployment

WEB = Key("default", "web")


async def made(cluster):
    cluster.registry.create(DEPLOYMENTS, deployment(replicas=2), namespace="default")
    await cluster.advance(1)


def left(cluster):
    alive = [pod for pod in cluster.pods() if "deletionTimestamp" not in pod["metadata"]]
    return cluster.registry.exists(DEPLOYMENTS, WEB), len(cluster.replica_sets()), len(alive)


def stubborn(cluster):
    """Pods that only a SIGKILL ends, so that the order in which things go can be seen."""
    for pod in cluster.pods():
        container = cluster.container(pod["metadata"]["name"])
        container.kill = lambda signal, end=container.end: signal == 9 and end(137)


async def test_in_the_background_the_owner_goes_first(cluster):
    await made(cluster)
    stubborn(cluster)
    cluster.registry.delete(DEPLOYMENTS, WEB, propagation="Background")
    assert left(cluster)[0] is False
    await cluster.settle()
    assert left(cluster) == (False, 0, 0)
    assert len(cluster.pods()) == 2
    await cluster.advance(31)
    assert cluster.pods() == []


async def test_in_the_foreground_the_owner_goes_last(cluster):
    await made(cluster)
    stubborn(cluster)
    cluster.registry.delete(DEPLOYMENTS, WEB, propagation="Foreground")
    await cluster.settle()
    assert left(cluster) == (True, 1, 0)
    await cluster.advance(31)
    assert left(cluster) == (False, 0, 0)
    assert cluster.pods() == []


async def test_orphans_stay_without_their_owner(cluster):
    await made(cluster)
    cluster.registry.delete(DEPLOYMENTS, WEB, propagation="Orphan")
    await cluster.advance(1)
    assert left(cluster) == (False, 1, 2)
    assert not cluster.replica_sets()[0]["metadata"].get("ownerReferences")


async def test_what_is_born_without_its_owner_does_not_live(cluster):
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "never-was"}
    obj = {"metadata": {"name": "lost", "ownerReferences": [reference]}}
    cluster.registry.create(CONFIGMAPS, obj, namespace="default")
    await cluster.settle()
    assert not cluster.registry.exists(CONFIGMAPS, Key("default", "lost"))


async def test_one_owner_that_lives_is_enough(cluster):
    await made(cluster)
    uid = cluster.deployment("web")["metadata"]["uid"]
    references = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid},
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "old", "uid": "never-was"},
    ]
    obj = {"metadata": {"name": "kept", "ownerReferences": references}}
    cluster.registry.create(CONFIGMAPS, obj, namespace="default")
    await cluster.settle()
    kept = cluster.registry.get(CONFIGMAPS, Key("default", "kept"))
    assert [one["uid"] for one in kept["metadata"]["ownerReferences"]] == [uid]


async def test_an_owner_of_an_unknown_kind_is_believed(cluster):
    reference = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
    cluster.registry.create(
        CONFIGMAPS, {"metadata": {"name": "c", "ownerReferences": [reference]}}, namespace="default"
    )
    await cluster.settle()
    assert cluster.registry.exists(CONFIGMAPS, Key("default", "c"))
