"""StatefulSets: pods with names that stay, made in order, replaced in the opposite order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import ApiError, NotFound
from sandbox.cluster.api.objects import Key, Object, key_of
from sandbox.cluster.api.selectors import from_object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers import stateful_pods
from sandbox.cluster.controllers.ownership import adopt, controllers_of, release
from sandbox.cluster.controllers.revisions import Revisions, template_of
from sandbox.cluster.controllers.rollout import replicas_of
from sandbox.cluster.controllers.stateful_pods import is_terminating, ordinal_of, revision_of
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.persistentvolumeclaims import PERSISTENTVOLUMECLAIMS
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.statefulsets import STATEFULSETS

_REFUSED = 10.0
"""Seconds until a pod that was refused is tried again."""


@dataclass
class _Look:
    """One look at a set: what it has, and when it must be looked at again."""

    current: Object
    """The revision that everything ran before the update that is going on."""
    update: Object
    pods: Mapping[int, Object]
    now: float
    waits: list[float] = field(default_factory=list)


class StatefulSetController:
    """Keeps StatefulSets at their template and size."""

    name = "statefulset-controller"

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)
        self._revisions = Revisions(registry, label="controller.kubernetes.io/hash")

    def watches(self) -> Sequence[Watch]:
        """Its own kind, and pods."""
        return (Watch(STATEFULSETS), Watch(PODS, self._of_pod))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        if change.stored.indexed.owners or (change.stored_before is not None and change.stored_before.indexed.owners):
            return controllers_of(change, "StatefulSet")
        name = change.key.name.rpartition("-")[0]
        return (Key(change.key.namespace, name),) if name else ()

    async def reconcile(self, key: Key) -> float | None:
        """One step towards the pods that there should be, and the status."""
        sts = self._registry.find(STATEFULSETS, key)
        if sts is None or "deletionTimestamp" in sts["metadata"]:
            return None
        self._claim(sts)
        update, revisions = self._revisions.of(sts)
        known = {one["metadata"]["name"]: one for one in revisions}
        current = known.get((sts.get("status") or {}).get("currentRevision", ""), update)
        look = _Look(current, update, self._pods(sts), self._clock.now().timestamp())
        self._step(sts, look)
        look.pods = self._pods(sts)
        self._report(key, sts, look)
        in_use = {revision_of(pod) for pod in look.pods.values()}
        self._revisions.clean_up(sts, revisions, in_use | {one["metadata"]["name"] for one in (current, update)})
        return min(look.waits) if look.waits else None

    def _claim(self, sts: Object) -> None:
        """Adopt pods that have the name and the labels, let go of those that have not."""
        selector, uid = from_object(sts["spec"].get("selector")), sts["metadata"]["uid"]
        for pod in self._registry.list(PODS, namespace=sts["metadata"]["namespace"]):
            matches = selector.matches(pod["metadata"].get("labels")) and ordinal_of(pod, sts) >= 0
            owner = next((one for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")), None)
            if owner is None:
                if matches and not is_terminating(pod):
                    adopt(self._registry, PODS, key_of(pod), sts)
            elif owner["uid"] == uid and not matches:
                release(self._registry, PODS, key_of(pod), uid)

    def _pods(self, sts: Object) -> dict[int, Object]:
        owned = self._registry.list(PODS, owner=sts["metadata"]["uid"])
        return {ordinal: pod for pod in owned if (ordinal := ordinal_of(pod, sts)) >= 0}

    # Steps

    def _step(self, sts: Object, look: _Look) -> None:
        """Make what is missing, in order; then take away what is too much; then replace what is old."""
        start = int((sts["spec"].get("ordinals") or {}).get("start") or 0)
        wanted = range(start, start + replicas_of(sts))
        in_order = sts["spec"]["podManagementPolicy"] == "OrderedReady"
        for ordinal in wanted:
            if not self._keep(sts, look, ordinal, start=start) and in_order:
                return
        condemned = sorted((ordinal for ordinal in look.pods if ordinal not in wanted), reverse=True)
        if not self._shrink(sts, look, condemned, in_order=in_order):
            return
        if sts["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(sts, look, wanted, start=start)

    def _keep(self, sts: Object, look: _Look, ordinal: int, *, start: int) -> bool:
        """See to one pod that should be there; whether it is well and nothing had to be done."""
        pod = look.pods.get(ordinal)
        if pod is None:
            self._create(sts, look, ordinal, start=start)
            return False
        if stateful_pods.phase_of(pod) in ("Failed", "Succeeded") and not is_terminating(pod):
            ended = "Failed" if stateful_pods.phase_of(pod) == "Failed" else "Terminated"
            name, namespace = sts["metadata"]["name"], sts["metadata"]["namespace"]
            self._events.warning(
                sts,
                f"Recreating{ended}Pod",
                f"StatefulSet {namespace}/{name} is recreating {ended.lower()} Pod {pod['metadata']['name']}",
            )
            self._delete(sts, pod)
            return False
        return self._is_well(sts, look, pod)

    def _is_well(self, sts: Object, look: _Look, pod: Object) -> bool:
        if is_terminating(pod):
            return False
        wait = stateful_pods.available_in(pod, sts, look.now)
        if 0.0 < wait < math.inf:
            look.waits.append(wait)
        return wait == 0.0

    def _shrink(self, sts: Object, look: _Look, condemned: Sequence[int], *, in_order: bool) -> bool:
        """Take away what is too much, the highest number first; whether nothing of that is left to do."""
        for ordinal in condemned:
            pod = look.pods[ordinal]
            if not is_terminating(pod):
                self._delete(sts, pod)
            if in_order:
                return False
        return not condemned

    def _roll(self, sts: Object, look: _Look, wanted: Sequence[int], *, start: int) -> None:
        """Replace one pod at a time, the highest number first, down to the partition."""
        rolling = sts["spec"]["updateStrategy"].get("rollingUpdate") or {}
        first = start + int(rolling.get("partition") or 0)
        for ordinal in sorted((one for one in wanted if one >= first), reverse=True):
            pod = look.pods.get(ordinal)
            if pod is None:
                return
            if revision_of(pod) != look.update["metadata"]["name"] and not is_terminating(pod):
                self._delete(sts, pod)
                return
            if not self._is_well(sts, look, pod):
                return

    # Pods

    def _create(self, sts: Object, look: _Look, ordinal: int, *, start: int) -> None:
        strategy = sts["spec"]["updateStrategy"]
        partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
        old = strategy["type"] == "RollingUpdate" and ordinal < start + partition
        revision = look.current if old else look.update
        pod = stateful_pods.new_pod(sts, template_of(revision), ordinal, revision=revision["metadata"]["name"])
        name, of = pod["metadata"]["name"], sts["metadata"]["name"]
        try:
            self._create_claims(sts, name)
            self._registry.create(PODS, pod, namespace=sts["metadata"]["namespace"])
        except ApiError as error:
            said = f"create Pod {name} in StatefulSet {of} failed error: {error}"
            self._events.warning(sts, "FailedCreate", said)
            look.waits.append(_REFUSED)
            return
        self._events.normal(sts, "SuccessfulCreate", f"create Pod {name} in StatefulSet {of} successful")

    def _create_claims(self, sts: Object, pod: str) -> None:
        for template in sts["spec"].get("volumeClaimTemplates") or ():
            claim = stateful_pods.new_claim(sts, template, pod)
            key = Key(sts["metadata"]["namespace"], claim["metadata"]["name"])
            if self._registry.exists(PERSISTENTVOLUMECLAIMS, key):
                continue
            self._registry.create(PERSISTENTVOLUMECLAIMS, claim, namespace=key.namespace)
            said = f"create Claim {key.name} Pod {pod} in StatefulSet {sts['metadata']['name']} success"
            self._events.normal(sts, "SuccessfulCreate", said)

    def _delete(self, sts: Object, pod: Object) -> None:
        try:
            self._registry.delete(PODS, key_of(pod), uid=pod["metadata"]["uid"])
        except NotFound:
            return
        said = f"delete Pod {pod['metadata']['name']} in StatefulSet {sts['metadata']['name']} successful"
        self._events.normal(sts, "SuccessfulDelete", said)

    # Counting

    def _report(self, key: Key, sts: Object, look: _Look) -> None:
        pods = [pod for pod in look.pods.values() if stateful_pods.phase_of(pod) not in ("Failed", "Succeeded")]
        names = {"current": look.current["metadata"]["name"], "update": look.update["metadata"]["name"]}
        alive = [pod for pod in pods if not is_terminating(pod)]
        ready = sum(1 for pod in pods if stateful_pods.is_ready(pod))
        updated = sum(1 for pod in alive if revision_of(pod) == names["update"])
        current = sum(1 for pod in alive if revision_of(pod) == names["current"])
        rolling = sts["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        if rolling and updated == ready == len(pods) == replicas_of(sts):
            names["current"], current = names["update"], updated
        counts = {"readyReplicas": ready, "currentReplicas": current, "updatedReplicas": updated}
        status: Object = {"observedGeneration": sts["metadata"].get("generation", 1), "replicas": len(pods)}
        status |= {name: count for name, count in counts.items() if count}
        status |= {
            "currentRevision": names["current"],
            "updateRevision": names["update"],
            "collisionCount": 0,
            "availableReplicas": sum(1 for pod in pods if stateful_pods.available_in(pod, sts, look.now) == 0.0),
        }

        def change(obj: Object) -> None:
            obj["status"] = status

        self._registry.patch_status(STATEFULSETS, key, change)
