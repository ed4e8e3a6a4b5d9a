"""Claims get their volumes: bound to one that exists, or to one that the provisioner makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sandbox.cluster import volumes
from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key, Object, key_of
from sandbox.cluster.controller import Watch
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.storageclasses import PROVISIONER, STORAGECLASSES, waits

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_IDENTITY = f"{PROVISIONER}_minikube_8f1c2b60-5a1e-4c39-9f6b-2d0a7c9f4e11"
_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
_NOBODY = "kubernetes.io/no-provisioner"


class Tree(Protocol):
    """Where provisioned volumes lie."""

    def make(self, path: str) -> None:
        """Make a directory. Raises OSError."""

    def remove(self, path: str) -> None:
        """Take it away. Raises OSError."""


class NoTree:
    """For clusters whose containers are simulated: there is nothing to make."""

    def make(self, path: str) -> None:
        """Do nothing."""

    def remove(self, path: str) -> None:
        """Do nothing."""


class VolumeBinder:
    """Binds claims and provisions for them; its keys are claims."""

    name = "persistentvolume-binder"

    def __init__(self, registry: Registry, *, tree: Tree, clock: Clock) -> None:
        self._registry = registry
        self._tree = tree
        self._events = EventRecorder(registry, "persistentvolume-controller", clock=clock)
        self._provisioner = EventRecorder(registry, _IDENTITY, clock=clock)
        self._said: dict[Key, str] = {}

    def watches(self) -> Sequence[Watch]:
        """Claims; volumes and classes that may serve waiting ones; pods that some wait for."""
        return (
            Watch(PERSISTENTVOLUMECLAIMS),
            Watch(PERSISTENTVOLUMES, self._of_volume),
            Watch(STORAGECLASSES, self._waiting),
            Watch(PODS, self._of_pod),
        )

    def _of_pod(self, change: Change) -> Iterable[Key]:
        # Most pods have no claims, and their bytes say so without being read.
        if change.type != "ADDED" or b'"persistentVolumeClaim"' not in change.stored.body:
            return ()
        return tuple(volumes.claims_of(change.object))

    def _of_volume(self, change: Change) -> Iterable[Key]:
        reference = change.object["spec"].get("claimRef")
        if reference:
            yield Key(reference.get("namespace", ""), reference.get("name", ""))
        if change.type != "DELETED" and not reference:
            yield from self._waiting(change)

    def _waiting(self, _change: Change) -> Iterable[Key]:
        claims = self._registry.list(PERSISTENTVOLUMECLAIMS)
        return tuple(key_of(claim) for claim in claims if not volumes.is_bound(claim))

    async def reconcile(self, key: Key) -> float | None:
        """Bring a claim to its volume, or say what it waits for."""
        claim = self._registry.find(PERSISTENTVOLUMECLAIMS, key)
        if claim is None or "deletionTimestamp" in claim["metadata"]:
            self._said.pop(key, None)
            return None
        if volumes.is_bound(claim):
            self._check(claim, key)
            return None
        storage_class = volumes.class_of(self._registry, claim)
        if waits(storage_class) and not claim["spec"].get("volumeName") and not self._has_consumer(key):
            message = "waiting for first consumer to be created before binding"
            self._say(claim, key, "Normal", "WaitForFirstConsumer", message)
            return None
        volume = volumes.fitting(self._registry, claim)
        if volume is not None:
            self._bind(claim, key, volume)
            return None
        self._provision(claim, key, storage_class)
        return None

    def _has_consumer(self, key: Key) -> bool:
        pods = self._registry.list_stored(PODS, namespace=key.namespace)
        found = (stored for stored in pods if b'"persistentVolumeClaim"' in stored.body)
        return any(key in volumes.claims_of(self._registry.get(PODS, stored.key)) for stored in found)

    def _check(self, claim: Object, key: Key) -> None:
        volume = self._registry.find(PERSISTENTVOLUMES, Key("", claim["spec"]["volumeName"]))
        if volume is None:
            self._registry.patch_status(PERSISTENTVOLUMECLAIMS, key, lambda obj: obj["status"].update(phase="Lost"))
            message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            self._events.warning(claim, "ClaimLost", message)
            return
        wanted = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0")
        capacity = volume["spec"]["capacity"]
        ours = PROVISIONED_BY in (volume["metadata"].get("annotations") or {})
        if ours and not volumes.covers(capacity, wanted):
            # A directory has no size of its own: it grows by being called larger.
            self._registry.patch(
                PERSISTENTVOLUMES,
                Key("", volume["metadata"]["name"]),
                lambda obj: obj["spec"]["capacity"].update(storage=wanted),
            )
            capacity = capacity | {"storage": wanted}
        if claim["status"].get("capacity") != capacity:
            self._registry.patch_status(
                PERSISTENTVOLUMECLAIMS, key, lambda obj: obj["status"].update(capacity=capacity)
            )

    def _bind(self, claim: Object, key: Key, volume: Object) -> None:
        """First the volume, then the claim: whoever stops in between begins again with a volume set aside."""
        name = volume["metadata"]["name"]
        preset = bool(claim["spec"].get("volumeName"))

        def take(obj: Object) -> None:
            reference = obj["spec"].get("claimRef") or {}
            if not reference:
                _annotate(obj, _BY_CONTROLLER)
            obj["spec"]["claimRef"] = {
                "kind": "PersistentVolumeClaim",
                "namespace": key.namespace,
                "name": key.name,
                "uid": claim["metadata"]["uid"],
                "apiVersion": "v1",
                "resourceVersion": claim["metadata"]["resourceVersion"],
            }

        if (volume["spec"].get("claimRef") or {}).get("uid") != claim["metadata"]["uid"]:
            volume = self._registry.patch(PERSISTENTVOLUMES, Key("", name), take)

        def fill(obj: Object) -> None:
            _annotate(obj, "pv.kubernetes.io/bind-completed")
            if not preset:
                _annotate(obj, _BY_CONTROLLER)
            obj["spec"]["volumeName"] = name

        self._registry.patch(PERSISTENTVOLUMECLAIMS, key, fill)
        spec = volume["spec"]
        status = {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": spec["capacity"]}
        self._registry.patch_status(PERSISTENTVOLUMECLAIMS, key, lambda obj: obj.update(status=status))
        self._registry.patch_status(PERSISTENTVOLUMES, Key("", name), lambda obj: obj.update(status={"phase": "Bound"}))
        self._said.pop(key, None)

    def _provision(self, claim: Object, key: Key, storage_class: Object | None) -> None:
        wanted = claim["spec"].get("storageClassName")
        if storage_class is None or claim["spec"].get("volumeName"):
            if wanted and storage_class is None:
                message = f'storageclass.storage.k8s.io "{wanted}" not found'
                self._say(claim, key, "Warning", "ProvisioningFailed", message)
            elif not wanted:
                message = "no persistent volumes available for this claim and no storage class is set"
                self._say(claim, key, "Normal", "FailedBinding", message)
            return
        provisioner = storage_class["provisioner"]
        if provisioner == PROVISIONER:
            self._make(claim, key, storage_class)
        elif provisioner == _NOBODY:
            message = f"no volume plugin matched name: {provisioner}"
            self._say(claim, key, "Warning", "ProvisioningFailed", message)
        else:
            message = (
                f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by"
                " the system administrator. If volume creation is delayed, please verify that the provisioner is"
                " running and correctly registered."
            )
            self._say(claim, key, "Normal", "ExternalProvisioning", message)

    def _make(self, claim: Object, key: Key, storage_class: Object) -> None:
        name = f"pvc-{claim['metadata']['uid']}"
        path = f"/tmp/hostpath-provisioner/{key.namespace}/{key.name}"
        if self._registry.exists(PERSISTENTVOLUMES, Key("", name)):
            return
        external = f'External provisioner is provisioning volume for claim "{key.namespace}/{key.name}"'
        self._provisioner.normal(claim, "Provisioning", external)
        try:
            self._tree.make(path)
        except OSError as error:
            message = f'failed to provision volume with StorageClass "{storage_class["metadata"]["name"]}": {error}'
            self._provisioner.warning(claim, "ProvisioningFailed", message)
            raise
        self._registry.patch(PERSISTENTVOLUMECLAIMS, key, _name_provisioner)
        spec = claim["spec"]
        volume = {
            "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "hostPath": {"path": path, "type": ""},
                "accessModes": spec["accessModes"],
                "claimRef": {
                    "kind": "PersistentVolumeClaim",
                    "namespace": key.namespace,
                    "name": key.name,
                    "uid": claim["metadata"]["uid"],
                    "apiVersion": "v1",
                    "resourceVersion": claim["metadata"]["resourceVersion"],
                },
                "persistentVolumeReclaimPolicy": storage_class["reclaimPolicy"],
                "storageClassName": storage_class["metadata"]["name"],
                "volumeMode": "Filesystem",
            },
        }
        self._registry.create(PERSISTENTVOLUMES, volume)
        self._provisioner.normal(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")

    def _say(self, claim: Object, key: Key, type_: str, reason: str, message: str) -> None:
        if self._said.get(key) == message:
            return
        self._said[key] = message
        say = self._events.normal if type_ == "Normal" else self._events.warning
        say(claim, reason, message)


def _annotate(obj: Object, name: str, value: str = "yes") -> None:
    obj["metadata"]["annotations"] = (obj["metadata"].get("annotations") or {}) | {name: value}


def _name_provisioner(claim: Object) -> None:
    for label in ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner"):
        _annotate(claim, label, PROVISIONER)
