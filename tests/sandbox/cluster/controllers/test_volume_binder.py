import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES

PVC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "500Mi"}}}


@pytest.fixture
def storage(cluster):
    return Storage(cluster)


class Storage:
    """Shorthands for what these tests make and look at."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.registry = cluster.registry

    def storage_class(self, name="standard", provisioner="k8s.io/minikube-hostpath", **more):
        self.registry.create(STORAGECLASSES, {"metadata": {"name": name}, "provisioner": provisioner} | more)

    def claim(self, name="data", storage_class="standard", **spec):
        full = PVC | {"storageClassName": storage_class} | spec
        self.registry.create(PERSISTENTVOLUMECLAIMS, {"metadata": {"name": name}, "spec": full}, namespace="default")

    def volume(self, name="pv", storage_class="manual", size="1Gi", **spec):
        full = {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "hostPath": {"path": "/mnt/data"},
            "storageClassName": storage_class,
        } | spec
        self.registry.create(PERSISTENTVOLUMES, {"metadata": {"name": name}, "spec": full})

    def pod(self, name="web", claim="data"):
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
        return self.cluster.create_pod(name, volumes=volumes)

    def find(self, resource, name):
        namespace = "default" if resource.namespaced else ""
        return self.registry.find(resource, Key(namespace, name))

    def bound(self, name="data"):
        claim = self.find(PERSISTENTVOLUMECLAIMS, name)
        return claim["spec"].get("volumeName") if claim["status"]["phase"] == "Bound" else None

    def phase(self, volume):
        return self.find(PERSISTENTVOLUMES, volume)["status"]["phase"]


async def test_a_claim_takes_the_smallest_volume_that_fits(cluster, storage):
    storage.volume("large", size="10Gi")
    storage.volume("small", size="100Mi")
    storage.volume("right", size="1Gi")
    storage.volume("other", storage_class="fast", size="600Mi")
    await cluster.settle()
    assert storage.phase("right") == "Available"
    storage.claim(storage_class="manual")
    await cluster.settle()
    assert storage.bound() == "right"
    volume, claim = storage.find(PERSISTENTVOLUMES, "right"), storage.find(PERSISTENTVOLUMECLAIMS, "data")
    assert volume["spec"]["claimRef"]["uid"] == claim["metadata"]["uid"]
    assert volume["status"]["phase"] == "Bound"
    assert claim["status"]["capacity"] == {"storage": "1Gi"}
    assert claim["metadata"]["annotations"] == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }


async def test_a_claim_waits_for_a_volume(cluster, storage):
    storage.claim(storage_class="")
    storage.claim("lost", storage_class="nosuch")
    await cluster.settle()
    assert cluster.events("data") == [
        (
            "Normal",
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set",
        )
    ]
    assert cluster.events("lost")[0][1:] == ("ProvisioningFailed", 'storageclass.storage.k8s.io "nosuch" not found')
    storage.volume(storage_class="")
    await cluster.settle()
    assert storage.bound() == "pv"


async def test_modes_and_labels_must_match(cluster, storage):
    storage.volume("one")
    storage.claim(storage_class="manual", accessModes=["ReadWriteMany"])
    storage.claim("labelled", storage_class="manual", selector={"matchLabels": {"a": "b"}})
    await cluster.settle()
    assert storage.bound() is None
    assert storage.bound("labelled") is None


async def test_the_provisioner_makes_a_volume_and_takes_it_away(cluster, storage):
    storage.storage_class()
    storage.claim()
    await cluster.settle()
    name = storage.bound()
    volume = storage.find(PERSISTENTVOLUMES, name)
    assert name == f"pvc-{storage.find(PERSISTENTVOLUMECLAIMS, 'data')['metadata']['uid']}"
    assert volume["spec"]["hostPath"] == {"path": "/tmp/hostpath-provisioner/default/data", "type": ""}
    assert [reason for _, reason, _ in cluster.events("data")] == ["Provisioning", "ProvisioningSucceeded"]
    cluster.registry.delete(PERSISTENTVOLUMECLAIMS, Key("default", "data"))
    await cluster.settle()
    assert storage.find(PERSISTENTVOLUMECLAIMS, "data") is None
    assert storage.find(PERSISTENTVOLUMES, name) is None


async def test_a_retained_volume_stays_and_is_not_given_again(cluster, storage):
    storage.volume()
    storage.claim(storage_class="manual")
    await cluster.settle()
    cluster.registry.delete(PERSISTENTVOLUMECLAIMS, Key("default", "data"))
    await cluster.settle()
    assert storage.phase("pv") == "Released"
    storage.claim("again", storage_class="manual")
    await cluster.settle()
    assert storage.bound("again") is None


async def test_only_what_is_ours_is_deleted(cluster, storage):
    storage.volume(persistentVolumeReclaimPolicy="Delete")
    storage.claim(storage_class="manual")
    await cluster.settle()
    cluster.registry.delete(PERSISTENTVOLUMECLAIMS, Key("default", "data"))
    await cluster.settle()
    assert storage.phase("pv") == "Failed"
    message = "host_path deleter only supports /tmp/.+ but received provided /mnt/data"
    assert cluster.events("pv") == [("Warning", "VolumeFailedDelete", message)]


async def test_a_claim_in_use_is_protected(cluster, storage):
    storage.storage_class()
    storage.claim()
    storage.pod()
    await cluster.settle()
    assert cluster.pod("web")["status"]["phase"] == "Running"
    cluster.registry.delete(PERSISTENTVOLUMECLAIMS, Key("default", "data"))
    await cluster.settle()
    claim = storage.find(PERSISTENTVOLUMECLAIMS, "data")
    assert PERSISTENTVOLUMECLAIMS.cells(claim, cluster.clock.now())[1] == "Terminating"
    cluster.registry.delete(PODS, Key("default", "web"), grace=0)
    await cluster.settle()
    assert storage.find(PERSISTENTVOLUMECLAIMS, "data") is None


async def test_a_bound_volume_is_protected(cluster, storage):
    storage.volume()
    storage.claim(storage_class="manual")
    await cluster.settle()
    cluster.registry.delete(PERSISTENTVOLUMES, Key("", "pv"))
    await cluster.settle()
    assert storage.find(PERSISTENTVOLUMES, "pv") is not None
    cluster.registry.delete(PERSISTENTVOLUMECLAIMS, Key("default", "data"))
    await cluster.settle()
    assert storage.find(PERSISTENTVOLUMES, "pv") is None


async def test_a_pod_waits_for_its_claim(cluster, storage):
    storage.pod()
    await cluster.settle()
    preemption = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    assert cluster.events("web")[-1][2] == (
        f'0/1 nodes are available: persistentvolumeclaim "data" not found. {preemption}'
    )
    await cluster.advance(1)
    storage.claim(storage_class="manual")
    await cluster.settle()
    assert cluster.events("web")[-1][2] == (
        f"0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. {preemption}"
    )
    storage.volume()
    await cluster.settle()
    assert cluster.pod("web")["status"]["phase"] == "Running"


async def test_a_claim_may_wait_for_its_first_pod(cluster, storage):
    storage.storage_class("late", volumeBindingMode="WaitForFirstConsumer")
    storage.claim(storage_class="late")
    await cluster.settle()
    assert cluster.events("data") == [
        ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    ]
    storage.pod()
    await cluster.settle()
    assert storage.bound()
    assert cluster.pod("web")["status"]["phase"] == "Running"
    assert next(reason for _, reason, _ in cluster.events("web")) == "Scheduled"


async def test_a_local_volume_brings_its_pod_to_its_node(cluster, storage):
    await cluster.add_node("minikube-m02")
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["minikube-m02"]}]}]
    storage.storage_class("local", provisioner="kubernetes.io/no-provisioner", volumeBindingMode="WaitForFirstConsumer")
    storage.claim(storage_class="local")
    storage.pod()
    await cluster.settle()
    assert "1 node(s) didn't find" not in cluster.events("web")[-1][2]
    assert "2 node(s) didn't find available persistent volumes to bind" in cluster.events("web")[-1][2]
    storage.volume(storage_class="local", nodeAffinity={"required": {"nodeSelectorTerms": terms}})
    await cluster.settle()
    assert cluster.pod("web")["spec"]["nodeName"] == "minikube-m02"


async def test_a_claim_without_its_volume_is_lost(cluster, storage):
    storage.volume()
    storage.claim(storage_class="manual")
    await cluster.settle()

    def forget(obj):
        obj["metadata"].pop("finalizers")

    cluster.registry.delete(PERSISTENTVOLUMES, Key("", "pv"))
    cluster.registry.amend(PERSISTENTVOLUMES, Key("", "pv"), forget)
    await cluster.settle()
    assert storage.find(PERSISTENTVOLUMECLAIMS, "data")["status"]["phase"] == "Lost"
