import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import PODS, REPLICATIONCONTROLLERS

OLD = Key("default", "old")
LABELS = {"app": "old"}


async def created(cluster, **spec):
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    rc = {"metadata": {"name": "old"}, "spec": {"replicas": 2, "template": template} | spec}
    cluster.registry.create(REPLICATIONCONTROLLERS, rc, namespace="default")
    await cluster.advance(1)


async def test_as_many_pods_as_wanted(cluster):
    await created(cluster)
    assert len(cluster.pods(labels="app=old")) == 2
    [owner] = cluster.pods()[0]["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"]) == ("v1", "ReplicationController")
    status = cluster.registry.get(REPLICATIONCONTROLLERS, OLD)["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (2, 2, 2)
    cluster.registry.delete(PODS, Key("default", cluster.pods()[0]["metadata"]["name"]))
    cluster.registry.patch(REPLICATIONCONTROLLERS, OLD, lambda obj: obj["spec"].update(replicas=3))
    await cluster.advance(40)
    assert len(cluster.pods()) == 3


async def test_labels_and_selector_come_from_the_template(cluster):
    await created(cluster)
    rc = cluster.registry.get(REPLICATIONCONTROLLERS, OLD)
    assert (rc["spec"]["selector"], rc["metadata"]["labels"]) == (LABELS, LABELS)


async def test_a_selector_that_the_template_does_not_meet_is_refused(cluster):
    with pytest.raises(Invalid, match="`selector` does not match template `labels`"):
        await created(cluster, selector={"app": "new"})


async def test_its_pods_go_with_it(cluster):
    await created(cluster)
    cluster.registry.delete(REPLICATIONCONTROLLERS, OLD, propagation="Background")
    await cluster.advance(40)
    assert cluster.pods() == []
