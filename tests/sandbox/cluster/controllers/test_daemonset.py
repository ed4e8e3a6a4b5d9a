import pytest

from sandbox.cluster.api.errors import Invalid
from sandbox.cluster.api.objects import Key, key_of
from sandbox.cluster.resources.all import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from tests.sandbox.cluster.simulation import simulation

AGENT = Key("default", "agent")
LABELS = {"app": "agent"}


@pytest.fixture
async def three_nodes(tmp_path):
    """Three nodes; all their containers are simulated by the first."""
    async with simulation(tmp_path) as cluster:
        for name in ("minikube-m02", "minikube-m03"):
            await cluster.add_node(name)
        await cluster.advance(1)
        yield cluster


def daemon_set(*, image="busybox", template=None, **spec):
    pod = {"containers": [{"name": "c", "image": image}]} | (template or {})
    labelled = {"metadata": {"labels": LABELS}, "spec": pod}
    return {
        "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": labelled} | spec,
    }


async def created(cluster, **how):
    cluster.registry.create(DAEMONSETS, daemon_set(**how), namespace="default")
    await cluster.advance(2)


def status(cluster):
    return cluster.registry.get(DAEMONSETS, AGENT)["status"]


def nodes_of(pods):
    return sorted(pod["spec"].get("nodeName", "") for pod in pods)


def images(cluster):
    return sorted(pod["spec"]["containers"][0]["image"] for pod in cluster.pods())


def set_image(cluster, image):
    def change(ds):
        ds["spec"]["template"]["spec"]["containers"][0]["image"] = image

    cluster.registry.patch(DAEMONSETS, AGENT, change)


EVERYWHERE = ["minikube", "minikube-m02", "minikube-m03"]


async def test_every_node_has_one_pod(three_nodes):
    await created(three_nodes)
    assert nodes_of(three_nodes.pods()) == EVERYWHERE
    assert status(three_nodes) == {
        "currentNumberScheduled": 3,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 3,
        "numberReady": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
        "numberAvailable": 3,
    }
    [pod, *_] = three_nodes.pods()
    name = pod["metadata"]["name"]
    assert ("Normal", "SuccessfulCreate", f"Created pod: {name}") in three_nodes.events("agent")
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"} in pod["spec"][
        "tolerations"
    ]


async def test_a_new_node_gets_one_and_a_deleted_pod_is_replaced(cluster):
    await created(cluster)
    await cluster.add_node("minikube-m02")
    await cluster.advance(2)
    assert nodes_of(cluster.pods()) == EVERYWHERE[:2]
    cluster.registry.delete(PODS, key_of(cluster.pods()[0]))
    await cluster.advance(40)
    assert nodes_of(cluster.pods()) == EVERYWHERE[:2]


async def test_labels_say_which_nodes(three_nodes):
    await created(three_nodes, template={"nodeSelector": {"disk": "ssd"}})
    assert three_nodes.pods() == []
    assert status(three_nodes)["desiredNumberScheduled"] == 0
    node = Key("", "minikube-m02")
    three_nodes.registry.patch(NODES, node, lambda obj: obj["metadata"]["labels"].update(disk="ssd"))
    await three_nodes.advance(2)
    assert nodes_of(three_nodes.pods()) == ["minikube-m02"]
    three_nodes.registry.patch(NODES, node, lambda obj: obj["metadata"]["labels"].update(disk="hdd"))
    await three_nodes.advance(40)
    assert three_nodes.pods() == []


@pytest.mark.parametrize(
    ("effect", "tolerated", "expected"),
    [("NoSchedule", False, 2), ("NoSchedule", True, 3), ("PreferNoSchedule", False, 3)],
)
async def test_taints_keep_daemons_away_unless_tolerated(three_nodes, effect, tolerated, expected):
    taint = {"key": "gpu", "value": "yes", "effect": effect}
    three_nodes.registry.patch(NODES, Key("", "minikube-m03"), lambda obj: obj["spec"].update(taints=[taint]))
    await three_nodes.advance(1)
    await created(three_nodes, template={"tolerations": [{"operator": "Exists"}]} if tolerated else {})
    assert len(three_nodes.pods()) == expected


async def test_a_cordoned_node_keeps_its_daemon_and_gets_new_ones(three_nodes):
    three_nodes.registry.patch(NODES, Key("", "minikube"), lambda obj: obj["spec"].update(unschedulable=True))
    await three_nodes.advance(1)
    await created(three_nodes)
    assert nodes_of(three_nodes.pods()) == EVERYWHERE


async def test_a_rolling_update_takes_one_node_at_a_time(three_nodes):
    await created(three_nodes)
    uids = {pod["metadata"]["uid"] for pod in three_nodes.pods()}
    set_image(three_nodes, "unknown/image:1")
    await three_nodes.advance(60)
    # The new one never gets ready, so the other two stay as they are.
    assert len(uids & {pod["metadata"]["uid"] for pod in three_nodes.pods()}) == 2
    assert (status(three_nodes)["updatedNumberScheduled"], status(three_nodes)["numberUnavailable"]) == (1, 1)
    set_image(three_nodes, "nginx:1.25")
    await three_nodes.advance(200)
    assert images(three_nodes) == ["nginx:1.25"] * 3
    assert status(three_nodes)["updatedNumberScheduled"] == status(three_nodes)["numberAvailable"] == 3


async def test_with_a_surge_the_old_pod_stays_until_the_new_one_is_available(three_nodes):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await created(three_nodes, updateStrategy=rolling)
    set_image(three_nodes, "unknown/image:1")
    await three_nodes.advance(60)
    assert len(three_nodes.pods()) == 4
    assert status(three_nodes)["numberAvailable"] == 3
    set_image(three_nodes, "nginx:1.25")
    await three_nodes.advance(200)
    assert images(three_nodes) == ["nginx:1.25"] * 3


async def test_on_delete_waits_for_somebody_to_delete(three_nodes):
    await created(three_nodes, updateStrategy={"type": "OnDelete"})
    set_image(three_nodes, "nginx:1.25")
    await three_nodes.advance(60)
    assert images(three_nodes) == ["busybox"] * 3
    three_nodes.registry.delete(PODS, key_of(three_nodes.pods()[0]))
    await three_nodes.advance(60)
    assert images(three_nodes) == ["busybox", "busybox", "nginx:1.25"]


async def test_going_back_uses_the_revision_that_was(cluster):
    await created(cluster)
    set_image(cluster, "nginx:1.25")
    await cluster.advance(60)
    revisions = {one["revision"]: one for one in cluster.registry.list(CONTROLLERREVISIONS)}
    assert sorted(revisions) == [1, 2]
    set_image(cluster, "busybox")
    await cluster.advance(60)
    again = {one["revision"]: one for one in cluster.registry.list(CONTROLLERREVISIONS)}
    assert sorted(again) == [2, 3]
    assert again[3]["metadata"]["name"] == revisions[1]["metadata"]["name"]
    [pod] = cluster.pods()
    assert again[3]["metadata"]["name"] == f"agent-{pod['metadata']['labels']['controller-revision-hash']}"


async def test_history_is_limited(cluster):
    await created(cluster, revisionHistoryLimit=1)
    for number in range(4):
        set_image(cluster, f"nginx:1.{number}")
        await cluster.advance(60)
    assert [one["revision"] for one in cluster.registry.list(CONTROLLERREVISIONS)].count(5) == 1
    assert len(cluster.registry.list(CONTROLLERREVISIONS)) == 2


async def test_a_failed_daemon_is_replaced_later_each_time(cluster):
    await created(cluster)

    def fail(pod):
        pod["status"]["phase"] = "Failed"

    [first] = cluster.pods()
    cluster.registry.patch_status(PODS, key_of(first), fail)
    await cluster.advance(40)
    [second] = cluster.pods()
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    message = f"Found failed daemon pod default/{first['metadata']['name']} on node minikube, will try to kill it"
    assert ("Warning", "FailedDaemonPod", message) in cluster.events("agent")


async def test_its_pods_go_with_it(cluster):
    await created(cluster)
    cluster.registry.delete(DAEMONSETS, AGENT, propagation="Foreground")
    await cluster.advance(40)
    assert cluster.pods() == []
    assert not cluster.registry.exists(DAEMONSETS, AGENT)
    assert cluster.registry.list(CONTROLLERREVISIONS) == []


@pytest.mark.parametrize(
    ("rolling", "why"),
    [
        ({"maxUnavailable": 0}, "rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        ({"maxSurge": 1}, "rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"),
        ({"maxUnavailable": "x"}, "a valid percent string must be a numeric string"),
    ],
)
async def test_a_pace_that_leads_nowhere_is_refused(cluster, rolling, why):
    wanted = daemon_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    with pytest.raises(Invalid, match=why):
        cluster.registry.create(DAEMONSETS, wanted, namespace="default")
