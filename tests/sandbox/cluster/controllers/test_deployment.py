"""Rollouts from the outside: what a learner sees of them."""

import copy
import re

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import DEPLOYMENTS, PODS, REPLICASETS
from tests.sandbox.cluster.simulation import deployment

WEB = Key("default", "web")
V1, V2, V10 = (f"jocatalin/kubernetes-bootcamp:{tag}" for tag in ("v1", "v2", "v10"))
REVISION = "deployment.kubernetes.io/revision"


async def created(cluster, **spec):
    cluster.registry.create(DEPLOYMENTS, deployment(image=V1, **spec), namespace="default")
    await cluster.advance(1)


async def edited(cluster, change, *, seconds=1):
    cluster.registry.patch(DEPLOYMENTS, WEB, change)
    await cluster.advance(seconds)


def image(name):
    return lambda obj: obj["spec"]["template"]["spec"]["containers"][0].update(image=name)


def counts(cluster):
    status = cluster.deployment("web")["status"]
    return tuple(status.get(name, 0) for name in ("readyReplicas", "updatedReplicas", "availableReplicas"))


def scalings(cluster):
    hash_ = re.compile(r"web-[4-9bcdf]+")
    names = {}
    found = []
    for _, reason, message in cluster.events("web"):
        if reason == "ScalingReplicaSet":
            name = hash_.search(message)[0]
            found.append(message.replace(name, names.setdefault(name, f"rs{len(names) + 1}")))
    return found


def condition(cluster, name):
    conditions = cluster.deployment("web")["status"]["conditions"]
    return next((c["status"], c["reason"], c["message"]) for c in conditions if c["type"] == name)


def sizes(cluster):
    return {int(rs["metadata"]["annotations"][REVISION]): rs["spec"]["replicas"] for rs in cluster.replica_sets()}


async def test_a_new_deployment_has_a_replica_set_and_ready_pods(cluster):
    await created(cluster, replicas=3)
    [rs] = cluster.replica_sets()
    hash_ = rs["metadata"]["labels"]["pod-template-hash"]
    assert rs["metadata"]["name"] == f"web-{hash_}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hash_}
    assert rs["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
        "deployment.kubernetes.io/revision": "1",
    }
    suffix = "[bcdfghjklmnpqrstvwxz2456789]{5}"
    assert all(re.fullmatch(f"web-{hash_}-{suffix}", pod["metadata"]["name"]) for pod in cluster.pods())
    assert counts(cluster) == (3, 3, 3)
    assert scalings(cluster) == ["Scaled up replica set rs1 from 0 to 3"]
    assert condition(cluster, "Available") == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )
    assert condition(cluster, "Progressing") == (
        "True",
        "NewReplicaSetAvailable",
        f'ReplicaSet "web-{hash_}" has successfully progressed.',
    )


async def test_scaling_changes_no_revision(cluster):
    await created(cluster)
    await edited(cluster, lambda obj: obj["spec"].update(replicas=4))
    assert counts(cluster) == (4, 4, 4)
    await edited(cluster, lambda obj: obj["spec"].update(replicas=2), seconds=31)
    assert (sizes(cluster), len(cluster.pods())) == ({1: 2}, 2)
    assert scalings(cluster)[1:] == [
        "Scaled up replica set rs1 from 1 to 4",
        "Scaled down replica set rs1 from 4 to 2",
    ]


async def test_a_rolling_update_replaces_pods_step_by_step(cluster):
    await created(cluster, replicas=4)
    fewest, most = [], []

    def note(_change):
        pods = [p for p in cluster.pods() if "deletionTimestamp" not in p["metadata"]]
        ready = sum(
            1
            for p in pods
            for c in (p.get("status") or {}).get("conditions") or ()
            if (c["type"], c["status"]) == ("Ready", "True")
        )
        fewest.append(ready)
        most.append(len(pods))

    stop = cluster.registry.watch(PODS, note)
    await edited(cluster, image(V2), seconds=2)
    stop()
    assert counts(cluster) == (4, 4, 4)
    assert sizes(cluster) == {1: 0, 2: 4}
    # 25 % of 4: never more than 5 pods, never fewer than 3 ready.
    assert (min(fewest), max(most)) == (3, 5)
    assert scalings(cluster)[1:4] == [
        "Scaled up replica set rs2 from 0 to 1",
        "Scaled down replica set rs1 from 4 to 3",
        "Scaled up replica set rs2 from 1 to 2",
    ]


async def test_an_image_that_does_not_exist_stops_the_rollout_where_the_tutorial_says(cluster):
    await created(cluster, replicas=4)
    await edited(cluster, image(V10), seconds=5)
    assert counts(cluster) == (3, 2, 3)
    waiting = [
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
        for pod in cluster.pods(fields="status.phase=Pending")
    ]
    assert waiting == ["ImagePullBackOff", "ImagePullBackOff"]
    await cluster.advance(602)
    [new] = [rs for rs in cluster.replica_sets() if rs["metadata"]["annotations"][REVISION] == "2"]
    assert condition(cluster, "Progressing") == (
        "False",
        "ProgressDeadlineExceeded",
        f'ReplicaSet "{new["metadata"]["name"]}" has timed out progressing.',
    )


async def test_going_back_takes_the_old_replica_set_with_a_new_revision(cluster):
    await created(cluster, replicas=4)
    good = copy.deepcopy(cluster.deployment("web")["spec"]["template"])
    before = {pod["metadata"]["name"] for pod in cluster.pods()}
    await edited(cluster, image(V10), seconds=5)
    await edited(cluster, lambda obj: obj["spec"].update(template=good), seconds=31)
    assert sizes(cluster) == {2: 0, 3: 4}
    [current] = [rs for rs in cluster.replica_sets() if rs["spec"]["replicas"]]
    assert current["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert cluster.deployment("web")["metadata"]["annotations"][REVISION] == "3"
    assert len(before & {pod["metadata"]["name"] for pod in cluster.pods()}) == 3


async def test_recreate_ends_all_old_pods_before_the_first_new_one(cluster):
    await created(cluster, replicas=2, strategy={"type": "Recreate"})
    old = {pod["metadata"]["uid"] for pod in cluster.pods()}
    overlaps = []

    def note(_change):
        uids = {pod["metadata"]["uid"] for pod in cluster.pods()}
        overlaps.append(bool(uids & old) and bool(uids - old))

    stop = cluster.registry.watch(PODS, note)
    await edited(cluster, image(V2), seconds=40)
    stop()
    assert sizes(cluster) == {1: 0, 2: 2}
    assert overlaps
    assert not any(overlaps)


async def test_a_paused_deployment_changes_its_size_but_not_its_pods(cluster):
    await created(cluster, replicas=2)
    await edited(cluster, lambda obj: obj["spec"].update(paused=True))
    await edited(cluster, image(V2))
    await edited(cluster, lambda obj: obj["spec"].update(replicas=3))
    assert sizes(cluster) == {1: 3}
    assert condition(cluster, "Progressing")[1] == "DeploymentPaused"
    await edited(cluster, lambda obj: obj["spec"].pop("paused"), seconds=31)
    assert sizes(cluster) == {1: 0, 2: 3}


async def test_only_so_many_old_revisions_are_remembered(cluster):
    await created(cluster, revisionHistoryLimit=1)
    for tag in ("a", "b", "c"):
        await edited(cluster, lambda obj, tag=tag: obj["spec"]["template"]["metadata"].update(annotations={"v": tag}))
        await cluster.advance(31)
    assert sizes(cluster) == {3: 0, 4: 1}


async def test_a_hash_that_is_taken_is_avoided(cluster):
    await created(cluster)
    [rs] = cluster.replica_sets()
    # The same template under the same name, but someone else's.
    stranger = {
        "metadata": {"name": rs["metadata"]["name"]},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "other"}},
            "template": {
                "metadata": {"labels": {"app": "other"}},
                "spec": {"containers": [{"name": "x", "image": "busybox"}]},
            },
        },
    }
    cluster.registry.delete(DEPLOYMENTS, WEB, propagation="Background")
    await cluster.advance(40)
    cluster.registry.create(REPLICASETS, stranger, namespace="default")
    await created(cluster)
    await cluster.advance(2)
    names = {one["metadata"]["name"] for one in cluster.replica_sets()}
    assert len(names) == 2
    assert cluster.deployment("web")["status"]["collisionCount"] == 1
    assert counts(cluster) == (1, 1, 1)


async def test_pods_are_available_only_after_min_ready_seconds(cluster):
    await created(cluster, minReadySeconds=20)
    assert counts(cluster) == (1, 1, 0)
    assert condition(cluster, "Available")[1] == "MinimumReplicasUnavailable"
    await cluster.advance(20)
    assert counts(cluster) == (1, 1, 1)
