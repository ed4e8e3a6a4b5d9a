from collections import Counter

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.controllers.pod_views import PodView
from sandbox.cluster.controllers.replicaset import DeletionOrder
from sandbox.cluster.resources.all import NAMESPACES, PODS, REPLICASETS

WEB = Key("default", "web")
LABELS = {"app": "web"}
NOW = 1_000_000.0


def replica_set(replicas):
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template},
    }


async def created(cluster, replicas=2):
    cluster.registry.create(REPLICASETS, replica_set(replicas), namespace="default")
    await cluster.advance(1)


async def test_a_deleted_pod_is_replaced(cluster):
    await created(cluster)
    doomed = cluster.pods()[0]["metadata"]
    cluster.registry.delete(PODS, Key("default", doomed["name"]))
    await cluster.settle()
    assert doomed["uid"] not in {pod["metadata"]["uid"] for pod in cluster.pods()}
    assert len(cluster.pods()) == 2


async def test_pods_are_announced(cluster):
    await created(cluster)
    names = [pod["metadata"]["name"] for pod in cluster.pods()]
    created_events = {message for _, reason, message in cluster.events("web") if reason == "SuccessfulCreate"}
    assert created_events == {f"Created pod: {name}" for name in names}
    cluster.registry.patch(REPLICASETS, WEB, lambda obj: obj["spec"].update(replicas=1))
    await cluster.advance(1)
    [left] = cluster.pods()
    [gone] = [message for _, reason, message in cluster.events("web") if reason == "SuccessfulDelete"]
    assert gone == f"Deleted pod: {next(n for n in names if n != left['metadata']['name'])}"


async def test_a_pod_that_loses_its_label_is_let_go_and_replaced(cluster):
    await created(cluster)
    freed = cluster.pods()[0]["metadata"]["name"]
    cluster.registry.patch(PODS, Key("default", freed), lambda obj: obj["metadata"]["labels"].update(app="debug"))
    await cluster.advance(1)
    assert not cluster.pod(freed)["metadata"].get("ownerReferences")
    assert len(cluster.pods(labels="app=web")) == 2


async def test_a_matching_orphan_is_adopted_instead_of_making_another(cluster):
    orphan = {
        "metadata": {"name": "orphan", "labels": LABELS},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]},
    }
    cluster.registry.create(PODS, orphan, namespace="default")
    await created(cluster)
    assert len(cluster.pods()) == 2
    [owner] = cluster.pod("orphan")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", "web", True)


async def test_what_cannot_be_created_is_said(cluster):
    cluster.registry.create(NAMESPACES, {"metadata": {"name": "going"}})
    await cluster.settle()
    cluster.registry.create(REPLICASETS, replica_set(0), namespace="going")
    key = Key("going", "web")
    template = cluster.registry.get(REPLICASETS, key)["spec"]["template"]
    template["spec"]["containers"][0]["name"] = "Not_A_Name"
    cluster.registry.amend(REPLICASETS, key, lambda obj: obj["spec"].update(template=template, replicas=1))
    await cluster.settle()
    [failure] = cluster.registry.get(REPLICASETS, key)["status"]["conditions"]
    assert (failure["type"], failure["reason"]) == ("ReplicaFailure", "FailedCreate")
    assert "Not_A_Name" in failure["message"]
    assert ("Warning", "FailedCreate", f"Error creating: {failure['message']}") in cluster.events("web")


def view(uid, **facts):
    known = {
        "key": Key("default", uid),
        "uid": uid,
        "labels": LABELS,
        "owner": "o",
        "node": "a",
        "phase": "Running",
        "ready": True,
        "ready_since": NOW - 100_000,
        "created": NOW - 100_000,
        "restarts": 0,
        "deletion_cost": 0,
        "deleting": False,
        "ip": "",
        "hostname": "",
        "subdomain": "",
        "ports": (),
    }
    return PodView(**(known | facts))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"node": ""}, {}),
        ({"phase": "Pending", "ready": False}, {"ready": False}),
        ({"ready": False}, {}),
        ({"deletion_cost": -1}, {}),
        ({"node": "crowded"}, {}),
        ({"ready_since": NOW - 10}, {}),
        ({"restarts": 3}, {}),
        ({"created": NOW - 10}, {}),
        ({"ready": False}, {"restarts": 9}),
        ({"deletion_cost": 1}, {"deletion_cost": 2, "node": "crowded"}),
    ],
)
def test_which_pod_goes_first(first, last):
    order = DeletionOrder(Counter({"a": 1, "crowded": 2}), NOW)
    # The uids alone would say the opposite.
    assert sorted([view("a", **last), view("b", **first)], key=order)[0].uid == "b"


def test_young_pods_of_about_the_same_age_go_by_chance():
    order = DeletionOrder(Counter(), NOW)
    pods = [view("b", created=NOW - 1000), view("a", created=NOW - 1003)]
    assert sorted(pods, key=order)[0].uid == "a"
