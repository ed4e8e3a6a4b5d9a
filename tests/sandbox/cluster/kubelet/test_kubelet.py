"""A node: its object and heartbeats, its mirror pods, what the API server asks of it, its restart."""

import asyncio
from pathlib import Path

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.kubelet.kubelet import ContainerNotFound
from sandbox.cluster.kubelet.logs import LogOptions, LogUnavailable
from sandbox.cluster.resources.all import LEASES, NODES, PODS
from tests.sandbox.cluster.simulation import simulation

NODE = Key("", "minikube")
WEB = Key("default", "web")


async def test_the_node_is_as_a_minikube_shows_it(cluster):
    node = cluster.registry.get(NODES, NODE)
    labels = node["metadata"]["labels"]
    assert labels["node-role.kubernetes.io/control-plane"] == ""
    assert labels["minikube.k8s.io/name"] == "minikube"
    status = node["status"]
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "192.168.49.2"},
        {"type": "Hostname", "address": "minikube"},
    ]
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in status["conditions"]] == [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    assert status["nodeInfo"]["kubeletVersion"] == "v1.33.1"
    assert status["nodeInfo"]["containerRuntimeVersion"] == "containerd://simulated"
    assert node["spec"]["podCIDR"] == "10.244.0.0/24"


async def test_heartbeats_are_a_lease_and_seldom_a_status(cluster):
    lease = Key("kube-node-lease", "minikube")
    first = cluster.registry.get(LEASES, lease)["spec"]
    assert (first["holderIdentity"], first["leaseDurationSeconds"]) == ("minikube", 40)
    version = cluster.registry.get(NODES, NODE)["metadata"]["resourceVersion"]
    await cluster.advance(100)
    assert cluster.registry.get(LEASES, lease)["spec"]["renewTime"] > first["renewTime"]
    assert cluster.registry.get(NODES, NODE)["metadata"]["resourceVersion"] == version
    await cluster.advance(250)
    assert cluster.registry.get(NODES, NODE)["metadata"]["resourceVersion"] != version


async def test_a_node_that_was_deleted_registers_again(cluster):
    cluster.registry.delete(NODES, NODE)
    await cluster.advance(11)
    assert cluster.registry.exists(NODES, NODE)
    assert len(system_pods(cluster)) == 6


# Mirror pods


def system_pods(cluster):
    return {pod["metadata"]["name"]: pod for pod in cluster.registry.list(PODS, namespace="kube-system")}


async def test_kube_system_shows_what_runs_and_says_what_it_is(cluster):
    pods = system_pods(cluster)
    static = [f"{name}-minikube" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")]
    assert set(static) < set(pods)
    assert sorted(name.rsplit("-", 1)[0] for name in set(pods) - set(static)) == ["coredns-674b8bbfcf", "kube-proxy"]
    for pod in pods.values():
        assert pod["status"]["phase"] == "Running"
        assert pod["status"]["containerStatuses"][0]["ready"] is True
        assert "Quayside" in pod["metadata"]["annotations"]["quayside/runs-as"]
    assert cluster.runtime.pods == {}


async def test_a_mirror_pod_that_is_deleted_comes_back(cluster):
    key = Key("kube-system", "etcd-minikube")
    uid = cluster.registry.get(PODS, key)["metadata"]["uid"]
    cluster.registry.delete(PODS, key)
    await cluster.advance(1)
    again = cluster.registry.get(PODS, key)
    assert again["metadata"]["uid"] != uid
    assert "deletionTimestamp" not in again["metadata"]


# What the API server asks


async def test_running_containers_are_found_and_others_said_to_be_missing(cluster):
    cluster.create_pod("web")
    await cluster.settle()
    assert cluster.kubelet.container("default", "web", "c").id
    assert cluster.kubelet.pod("default", "web").ip == cluster.pod("web")["status"]["podIP"]
    with pytest.raises(ContainerNotFound, match=r'^container not found \("x"\)$'):
        cluster.kubelet.container("default", "web", "x")
    with pytest.raises(ContainerNotFound):
        cluster.kubelet.container("default", "nope", "c")
    with pytest.raises(ContainerNotFound):
        cluster.kubelet.pod("default", "nope")


async def read(cluster, **options):
    return b"".join([piece async for piece in cluster.kubelet.logs("default", "web", "c", LogOptions(**options))])


def write(container, text):
    path = Path(container.log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"2026-11-23T16:59:25Z stdout F {text}\n")


async def test_logs_of_this_container_and_of_the_one_before(cluster):
    cluster.create_pod("web")
    await cluster.settle()
    write(cluster.container("web"), "first")
    cluster.container("web").end(1)
    await cluster.settle()
    write(cluster.container("web"), "second")
    assert await read(cluster) == b"second\n"
    assert await read(cluster, previous=True) == b"first\n"


async def test_a_followed_log_ends_with_its_container(cluster):
    cluster.create_pod("web", restartPolicy="Never")
    await cluster.settle()
    write(cluster.container("web"), "one")
    following = asyncio.ensure_future(read(cluster, follow=True))
    await cluster.advance(1)
    assert not following.done()
    write(cluster.container("web"), "two")
    cluster.container("web").end(0)
    await cluster.advance(1)
    assert await following == b"one\ntwo\n"


async def test_there_is_no_log_before_there_is_a_container(cluster):
    cluster.create_pod("web", containers=[{"name": "c", "image": "nosuchimage:v9"}])
    await cluster.settle()
    with pytest.raises(LogUnavailable):
        await read(cluster)


# Beginning again


async def restarted(cluster, task, *, meanwhile=None):
    """The kubelet's process ends and another one starts; containers live on."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cluster.advance(1)
    if meanwhile is not None:
        meanwhile()
    cluster.kubelet = cluster.new_kubelet(cluster.config)
    adopted = await cluster.runtime.adopt()
    cluster._tasks.append(asyncio.ensure_future(cluster.kubelet.run(adopted)))
    await cluster.settle()


@pytest.fixture
async def running(tmp_path):
    async with simulation(tmp_path) as simulated:
        [task] = [one for one in simulated._tasks if "Kubelet" in repr(one.get_coro())]
        simulated.create_pod("web")
        await simulated.advance(5)
        yield simulated, task


async def test_a_container_that_survived_is_adopted(running):
    cluster, task = running
    before, container = cluster.pod("web")["status"], cluster.container("web")
    await restarted(cluster, task)
    assert cluster.container("web") is container
    assert cluster.pod("web")["status"] == before
    container.end(1)
    await cluster.settle()
    assert cluster.pod("web")["status"]["containerStatuses"][0]["restartCount"] == 1


async def test_one_that_ended_meanwhile_is_restarted(running):
    cluster, task = running
    await restarted(cluster, task, meanwhile=lambda: cluster.container("web").end(0))
    status = cluster.pod("web")["status"]["containerStatuses"][0]
    assert (status["restartCount"], "running" in status["state"]) == (1, True)
    assert status["lastState"]["terminated"]["exitCode"] == 137


async def test_one_whose_pod_was_deleted_meanwhile_is_removed(running):
    cluster, task = running
    container = cluster.container("web")
    await restarted(cluster, task, meanwhile=lambda: cluster.registry.delete(PODS, WEB, grace=0))
    assert not container.running
    assert cluster.runtime.pods == {}


async def test_a_deletion_that_was_under_way_goes_on(running):
    cluster, task = running
    await restarted(cluster, task, meanwhile=lambda: cluster.registry.delete(PODS, WEB))
    await cluster.settle()
    assert not cluster.registry.exists(PODS, WEB)
    assert cluster.runtime.pods == {}


async def test_a_power_cut_says_nothing(running):
    cluster, task = running
    before = cluster.pod("web")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cluster.kubelet.stop_all()
    assert cluster.pod("web") == before
    assert cluster.runtime.pods == {}


async def test_after_a_power_cut_init_containers_run_again(running):
    cluster, task = running
    cluster.create_pod("init", initContainers=[{"name": "i", "image": "busybox:1.36", "command": ["true"]}])
    await cluster.settle()
    cluster.container("init", "i").end(0)
    await cluster.advance(1)
    assert cluster.pod("init")["status"]["phase"] == "Running"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await cluster.kubelet.stop_all()
    await restarted(cluster, task)
    status = cluster.pod("init")["status"]
    assert (status["phase"], "running" in status["initContainerStatuses"][0]["state"]) == ("Pending", True)
    cluster.container("init", "i").end(0)
    await cluster.settle()
    status = cluster.pod("init")["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == ("Running", 1)
