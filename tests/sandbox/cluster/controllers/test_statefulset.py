import pytest

from sandbox.cluster.api.objects import Key, key_of
from sandbox.cluster.resources.all import (
    CONTROLLERREVISIONS,
    ENDPOINTSLICES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    SERVICES,
    STATEFULSETS,
)

WEB = Key("default", "web")
LABELS = {"app": "web"}


def stateful_set(replicas=3, *, image="busybox", **spec):
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}
    given = {"replicas": replicas, "serviceName": "nginx", "selector": {"matchLabels": LABELS}, "template": template}
    return {"metadata": {"name": "web"}, "spec": given | spec}


async def created(cluster, replicas=3, **how):
    cluster.registry.create(STATEFULSETS, stateful_set(replicas, **how), namespace="default")
    await cluster.advance(20)


def names(cluster):
    return [pod["metadata"]["name"] for pod in cluster.pods()]


def images(cluster):
    return [pod["spec"]["containers"][0]["image"] for pod in cluster.pods()]


def status(cluster):
    return cluster.registry.get(STATEFULSETS, WEB)["status"]


def change(cluster, **spec):
    cluster.registry.patch(STATEFULSETS, WEB, lambda obj: obj["spec"].update(spec))


def set_image(cluster, image):
    def changed(obj):
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = image

    cluster.registry.patch(STATEFULSETS, WEB, changed)


def said(cluster, reason):
    return [message for _, one, message in cluster.events("web") if one == reason]


async def test_pods_have_names_that_stay(cluster):
    await created(cluster)
    assert names(cluster) == ["web-0", "web-1", "web-2"]
    pod = cluster.pod("web-1")
    revision = status(cluster)["currentRevision"]
    assert pod["metadata"]["labels"] == LABELS | {
        "apps.kubernetes.io/pod-index": "1",
        "statefulset.kubernetes.io/pod-name": "web-1",
        "controller-revision-hash": revision,
    }
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("web-1", "nginx")
    assert status(cluster) == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
        "availableReplicas": 3,
    }
    cluster.registry.delete(PODS, Key("default", "web-1"))
    await cluster.advance(60)
    assert names(cluster) == ["web-0", "web-1", "web-2"]
    assert cluster.pod("web-1")["metadata"]["uid"] != pod["metadata"]["uid"]


async def test_one_after_the_other(cluster):
    await created(cluster, image="unknown/image:1")
    assert names(cluster) == ["web-0"]
    set_image(cluster, "busybox")
    cluster.registry.delete(PODS, Key("default", "web-0"))
    await cluster.advance(60)
    assert names(cluster) == ["web-0", "web-1", "web-2"]
    made = [name for name in said(cluster, "SuccessfulCreate") if "web-0" not in name]
    assert made == [f"create Pod web-{n} in StatefulSet web successful" for n in (1, 2)]


async def test_parallel_waits_for_nobody(cluster):
    await created(cluster, image="unknown/image:1", podManagementPolicy="Parallel")
    assert names(cluster) == ["web-0", "web-1", "web-2"]


async def test_the_last_goes_first(cluster):
    await created(cluster)
    change(cluster, replicas=1)
    await cluster.advance(120)
    assert names(cluster) == ["web-0"]
    assert said(cluster, "SuccessfulDelete") == [
        "delete Pod web-2 in StatefulSet web successful",
        "delete Pod web-1 in StatefulSet web successful",
    ]
    change(cluster, replicas=0)
    await cluster.advance(60)
    assert (names(cluster), status(cluster)["replicas"]) == ([], 0)


async def test_an_update_goes_from_the_last_to_the_first(cluster):
    await created(cluster)
    set_image(cluster, "nginx:1.25")
    await cluster.advance(200)
    assert images(cluster) == ["nginx:1.25"] * 3
    gone = [message.split()[2] for message in said(cluster, "SuccessfulDelete")]
    assert gone == ["web-2", "web-1", "web-0"]
    assert status(cluster)["currentRevision"] == status(cluster)["updateRevision"]
    assert [one["revision"] for one in cluster.registry.list(CONTROLLERREVISIONS)] in ([1, 2], [2, 1])


async def test_an_update_that_gets_stuck_leaves_the_others_alone(cluster):
    await created(cluster)
    set_image(cluster, "unknown/image:1")
    await cluster.advance(300)
    assert images(cluster) == ["busybox", "busybox", "unknown/image:1"]
    assert status(cluster)["currentRevision"] != status(cluster)["updateRevision"]
    assert (status(cluster)["currentReplicas"], status(cluster)["updatedReplicas"]) == (2, 1)


async def test_a_partition_holds_the_lower_ones_back(cluster):
    await created(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    set_image(cluster, "nginx:1.25")
    await cluster.advance(200)
    assert images(cluster) == ["busybox", "busybox", "nginx:1.25"]
    cluster.registry.delete(PODS, Key("default", "web-0"))
    await cluster.advance(60)
    # Below the partition even a new pod is of the old revision.
    assert images(cluster) == ["busybox", "busybox", "nginx:1.25"]
    change(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    await cluster.advance(200)
    assert images(cluster) == ["nginx:1.25"] * 3


async def test_on_delete_waits_for_somebody_to_delete(cluster):
    await created(cluster, updateStrategy={"type": "OnDelete"})
    set_image(cluster, "nginx:1.25")
    await cluster.advance(60)
    assert images(cluster) == ["busybox"] * 3
    cluster.registry.delete(PODS, Key("default", "web-1"))
    await cluster.advance(60)
    assert images(cluster) == ["busybox", "nginx:1.25", "busybox"]


async def test_numbers_may_start_elsewhere(cluster):
    await created(cluster, 2, ordinals={"start": 5})
    assert names(cluster) == ["web-5", "web-6"]


async def test_only_available_ones_let_the_next_come(cluster):
    await created(cluster, minReadySeconds=30)
    assert names(cluster) == ["web-0"]
    await cluster.advance(20)
    assert names(cluster) == ["web-0", "web-1"]
    await cluster.advance(60)
    assert status(cluster)["availableReplicas"] == 3


async def test_a_failed_pod_is_made_anew(cluster):
    await created(cluster)
    before = cluster.pod("web-1")
    cluster.registry.patch_status(PODS, key_of(before), lambda obj: obj["status"].update(phase="Failed"))
    await cluster.advance(60)
    assert cluster.pod("web-1")["metadata"]["uid"] != before["metadata"]["uid"]
    assert said(cluster, "RecreatingFailedPod") == ["StatefulSet default/web is recreating failed Pod web-1"]


async def test_a_headless_service_knows_each_by_name(cluster):
    service = {
        "metadata": {"name": "nginx"},
        "spec": {"clusterIP": "None", "selector": LABELS, "ports": [{"port": 80}]},
    }
    cluster.registry.create(SERVICES, service, namespace="default")
    await created(cluster)
    [slice_] = cluster.registry.list(ENDPOINTSLICES, namespace="default")
    assert sorted(one["hostname"] for one in slice_["endpoints"]) == ["web-0", "web-1", "web-2"]


CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
}


async def test_each_has_its_own_claim_which_stays(cluster):
    await created(cluster, volumeClaimTemplates=[CLAIM], podManagementPolicy="Parallel")
    assert cluster.pod("web-1")["spec"]["volumes"][0] == {
        "name": "data",
        "persistentVolumeClaim": {"claimName": "data-web-1"},
    }
    assert "create Claim data-web-0 Pod web-0 in StatefulSet web success" in said(cluster, "SuccessfulCreate")
    change(cluster, replicas=0)
    await cluster.advance(120)
    claims = cluster.registry.list(PERSISTENTVOLUMECLAIMS)
    assert [claim["metadata"]["name"] for claim in claims] == ["data-web-0", "data-web-1", "data-web-2"]


async def test_claims_may_be_mounted(cluster):
    wanted = stateful_set(volumeClaimTemplates=[CLAIM])
    wanted["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    cluster.registry.create(STATEFULSETS, wanted, namespace="default")


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_its_pods_go_with_it(cluster, propagation):
    await created(cluster)
    cluster.registry.delete(STATEFULSETS, WEB, propagation=propagation)
    await cluster.advance(60)
    assert (names(cluster), cluster.registry.exists(STATEFULSETS, WEB)) == ([], False)
    assert cluster.registry.list(CONTROLLERREVISIONS) == []


async def test_orphans_are_adopted_again(cluster):
    await created(cluster)
    uids = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.registry.delete(STATEFULSETS, WEB, propagation="Orphan")
    await cluster.advance(5)
    await created(cluster)
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == uids
