"""What becomes of volumes and claims when they are no longer wanted: phases, reclaim policies, protection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster import volumes
from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.volume_binder import PROVISIONED_BY, Tree
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources import persistentvolumeclaims, persistentvolumes
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.persistentvolumes import PERSISTENTVOLUMES
from sandbox.cluster.resources.pods import PODS


class VolumeReclaimer:
    """Says whether volumes are available, bound or released, and does with released ones what their policy says."""

    name = "persistentvolume-reclaimer"

    def __init__(self, registry: Registry, *, tree: Tree, clock: Clock) -> None:
        self._registry = registry
        self._tree = tree
        self._events = EventRecorder(registry, "persistentvolume-controller", clock=clock)

    def watches(self) -> Sequence[Watch]:
        """Volumes, and claims that go."""
        return (Watch(PERSISTENTVOLUMES), Watch(PERSISTENTVOLUMECLAIMS, _volume_of))

    async def reconcile(self, key: Key) -> float | None:
        """Bring one volume's phase to what is true; let go of what nobody holds."""
        volume = self._registry.find(PERSISTENTVOLUMES, key)
        if volume is None:
            return None
        phase = self._phase(volume)
        if "deletionTimestamp" in volume["metadata"] and phase != "Bound":
            self._let_go(key)
            return None
        before = (volume.get("status") or {}).get("phase")
        if phase != before and not (phase == "Released" and before == "Failed"):
            self._registry.patch_status(PERSISTENTVOLUMES, key, lambda obj: obj.update(status={"phase": phase}))
        if phase == "Released" and before != "Failed":
            self._reclaim(volume, key)
        return None

    def _phase(self, volume: Object) -> str:
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            return "Available"
        claim_key = Key(reference.get("namespace", ""), reference.get("name", ""))
        claim = self._registry.find(PERSISTENTVOLUMECLAIMS, claim_key)
        return "Bound" if claim is not None and claim["metadata"]["uid"] == reference["uid"] else "Released"

    def _reclaim(self, volume: Object, key: Key) -> None:
        spec = volume["spec"]
        policy, path = spec["persistentVolumeReclaimPolicy"], (spec.get("hostPath") or {}).get("path", "")
        if policy == "Retain":
            return
        ours = PROVISIONED_BY in (volume["metadata"].get("annotations") or {})
        if policy == "Recycle":
            self._fail(volume, key, "VolumeFailedRecycle", "no volume plugin matched")
        elif not ours and not path.startswith("/tmp/"):
            message = f"host_path deleter only supports /tmp/.+ but received provided {path}"
            self._fail(volume, key, "VolumeFailedDelete", message if path else "no deletable volume plugin matched")
        else:
            try:
                self._tree.remove(path)
            except OSError as error:
                self._fail(volume, key, "VolumeFailedDelete", str(error))
                return
            self._registry.delete(PERSISTENTVOLUMES, key)

    def _fail(self, volume: Object, key: Key, reason: str, message: str) -> None:
        status = {"phase": "Failed", "message": message}
        self._registry.patch_status(PERSISTENTVOLUMES, key, lambda obj: obj.update(status=status))
        self._events.warning(volume, reason, message)

    def _let_go(self, key: Key) -> None:
        _drop(self._registry, key, of_claim=False)


class ClaimProtection:
    """Lets a claim that is being deleted go once no pod uses it."""

    name = "pvc-protection-controller"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Claims, and pods that end."""
        return (Watch(PERSISTENTVOLUMECLAIMS, _of_deleted), Watch(PODS, _claims_of_ended))

    async def reconcile(self, key: Key) -> float | None:
        """Drop the finalizer of a claim that no pod uses."""
        claim = self._registry.find(PERSISTENTVOLUMECLAIMS, key)
        if claim is None or "deletionTimestamp" not in claim["metadata"]:
            return None
        for stored in self._registry.list_stored(PODS, namespace=key.namespace):
            if b'"persistentVolumeClaim"' not in stored.body:
                continue
            pod = self._registry.get(PODS, stored.key)
            if not _has_ended(pod) and key in volumes.claims_of(pod):
                return None
        _drop(self._registry, key, of_claim=True)
        return None


def _drop(registry: Registry, key: Key, *, of_claim: bool) -> None:
    resource = PERSISTENTVOLUMECLAIMS if of_claim else PERSISTENTVOLUMES
    finalizer = persistentvolumeclaims.PROTECTION if of_claim else persistentvolumes.PROTECTION

    def change(obj: Object) -> None:
        left = [one for one in obj["metadata"].get("finalizers") or () if one != finalizer]
        obj["metadata"].pop("finalizers", None)
        if left:
            obj["metadata"]["finalizers"] = left

    registry.amend(resource, key, change)


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _of_deleted(change: Change) -> Iterable[Key]:
    return (change.key,) if b'"deletionTimestamp"' in change.stored.body else ()


def _claims_of_ended(change: Change) -> Iterable[Key]:
    if b'"persistentVolumeClaim"' not in change.stored.body:
        return ()
    if change.type != "DELETED" and not _has_ended(change.object):
        return ()
    return tuple(volumes.claims_of(change.object))


def _volume_of(change: Change) -> Iterable[Key]:
    name = change.object["spec"].get("volumeName")
    return (Key("", name),) if name else ()
