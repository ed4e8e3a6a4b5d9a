"""Deployments: a ReplicaSet for each template, and the walk from the old ones to the new."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import AlreadyExists
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers import deployment_status as progress
from sandbox.cluster.controllers import rollout
from sandbox.cluster.controllers.ownership import claim, controllers_of, owner_reference
from sandbox.cluster.controllers.pod_views import PodViews
from sandbox.cluster.controllers.template_hash import HASH_LABEL, equal_templates, template_hash
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.deployments import DEPLOYMENTS
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.replicasets import REPLICASETS

_NOT_COPIED = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        rollout.REVISION,
        rollout.REVISION_HISTORY,
        rollout.DESIRED,
        rollout.MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)


class DeploymentController:
    """Keeps Deployments at their template and size."""

    name = "deployment-controller"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)

    def watches(self) -> Sequence[Watch]:
        """Its own kind, ReplicaSets, and the end of pods (Recreate waits for it)."""
        return (
            Watch(DEPLOYMENTS),
            Watch(REPLICASETS, self._of_set),
            Watch(PODS, self._of_ended_pod),
        )

    def _of_set(self, change: Change) -> Iterable[Key]:
        return controllers_of(change, "Deployment")

    def _of_ended_pod(self, change: Change) -> Iterable[Key]:
        if change.type != "DELETED":
            return ()
        for key in controllers_of(change, "ReplicaSet"):
            rs = self._registry.find(REPLICASETS, key)
            for reference in (rs or {"metadata": {}})["metadata"].get("ownerReferences") or ():
                if reference.get("controller") and reference.get("kind") == "Deployment":
                    return (Key(key.namespace, reference["name"]),)
        return ()

    async def reconcile(self, key: Key) -> float | None:
        """One step of the rollout, and the status."""
        deployment = self._registry.find(DEPLOYMENTS, key)
        if deployment is None:
            return None
        sets = claim(self._registry, REPLICASETS, deployment)
        if "deletionTimestamp" in deployment["metadata"]:
            return self._report(key, deployment, sets, self._newest(deployment, sets))
        deployment = self._note_pause(key, deployment)
        if deployment["spec"].get("paused") or self._is_scaling(deployment, sets):
            new = self._find_or_update_new(key, deployment, sets)
            self._scale_all(deployment, sets, new)
            if deployment["spec"].get("paused"):
                self._clean_up(deployment, sets, new)
        elif rollout.is_rolling(deployment):
            self._roll(key, deployment, sets)
        else:
            self._recreate(key, deployment, sets)
        deployment = self._registry.get(DEPLOYMENTS, key)
        sets = claim(self._registry, REPLICASETS, deployment)
        return self._report(key, deployment, sets, self._newest(deployment, sets))

    # Which set is which

    def _newest(self, deployment: Object, sets: Sequence[Object]) -> Object | None:
        """The set of the template now (the oldest, should there be several)."""
        template = deployment["spec"]["template"]
        return next((rs for rs in rollout.by_age(sets) if equal_templates(rs["spec"]["template"], template)), None)

    def _old(self, sets: Sequence[Object], new: Object | None) -> list[Object]:
        uid = new["metadata"]["uid"] if new else ""
        return [rs for rs in rollout.by_age(sets) if rs["metadata"]["uid"] != uid]

    def _is_scaling(self, deployment: Object, sets: Sequence[Object]) -> bool:
        wanted = str(rollout.replicas_of(deployment))
        active = [rs for rs in sets if rollout.replicas_of(rs) > 0]
        desired = [(rs["metadata"].get("annotations") or {}).get(rollout.DESIRED) for rs in active]
        return any(one is not None and one != wanted for one in desired)

    def _find_or_update_new(self, key: Key, deployment: Object, sets: Sequence[Object]) -> Object | None:
        new = self._newest(deployment, sets)
        if new is None:
            return None
        revision = self._next_revision(self._old(sets, new), new)
        new = self._annotate(deployment, new, revision)
        self._set_revision(key, deployment, str(rollout.revision_of(new)))
        if progress.condition(deployment, "Progressing") is None:
            self._note(key, "True", "FoundNewReplicaSet", f'Found new replica set "{new["metadata"]["name"]}"')
        return new

    @staticmethod
    def _next_revision(old: Sequence[Object], new: Object | None) -> int:
        newest = max((rollout.revision_of(rs) for rs in old), default=0) + 1
        return max(newest, rollout.revision_of(new) if new else 0)

    def _find_or_create_new(self, key: Key, deployment: Object, sets: Sequence[Object]) -> Object:
        found = self._find_or_update_new(key, deployment, sets)
        return found if found is not None else self._create_new(key, deployment, sets)

    def _create_new(self, key: Key, deployment: Object, sets: Sequence[Object]) -> Object:
        wanted = self._new_set(deployment, sets)
        try:
            new = self._registry.create(REPLICASETS, wanted, namespace=key.namespace)
        except AlreadyExists:
            # Another template has the same hash: count the collision and come again with another name.
            self._registry.patch_status(DEPLOYMENTS, key, _count_collision)
            raise
        replicas, name = rollout.replicas_of(new), new["metadata"]["name"]
        if replicas > 0:
            self._events.normal(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")
        self._set_revision(key, deployment, new["metadata"]["annotations"][rollout.REVISION])
        self._note(key, "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        return new

    def _new_set(self, deployment: Object, sets: Sequence[Object]) -> Object:
        template = copy.deepcopy(deployment["spec"]["template"])
        hash_ = template_hash(template, (deployment.get("status") or {}).get("collisionCount"))
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH_LABEL] = hash_
        selector = copy.deepcopy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = hash_
        surge, _ = rollout.fenceposts(deployment)
        wanted = rollout.replicas_of(deployment)
        annotations = _copied(deployment) | {
            rollout.DESIRED: str(wanted),
            rollout.MAXIMUM: str(wanted + surge),
            rollout.REVISION: str(self._next_revision(sets, None)),
        }
        spec: Object = {"replicas": rollout.new_size(deployment, sets, 0), "selector": selector, "template": template}
        if deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        return {
            "metadata": {
                "name": f"{deployment['metadata']['name']}-{hash_}",
                "namespace": deployment["metadata"]["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": spec,
        }

    def _annotate(self, deployment: Object, new: Object, revision: int) -> Object:
        """Bring the new set's annotations, revision and minReadySeconds up to date."""
        surge, _ = rollout.fenceposts(deployment)
        wanted = rollout.replicas_of(deployment)

        def change(rs: Object) -> None:
            annotations = rs["metadata"].setdefault("annotations", {})
            annotations |= _copied(deployment)
            _raise_revision(annotations, revision)
            annotations.setdefault(rollout.DESIRED, str(wanted))
            annotations.setdefault(rollout.MAXIMUM, str(wanted + surge))
            if deployment["spec"].get("minReadySeconds") or rs["spec"].get("minReadySeconds"):
                rs["spec"]["minReadySeconds"] = deployment["spec"].get("minReadySeconds", 0)

        return self._registry.patch(REPLICASETS, _key(new), change)

    def _set_revision(self, key: Key, deployment: Object, revision: str) -> None:
        if (deployment["metadata"].get("annotations") or {}).get(rollout.REVISION) == revision:
            return

        def change(obj: Object) -> None:
            obj["metadata"].setdefault("annotations", {})[rollout.REVISION] = revision

        self._registry.patch(DEPLOYMENTS, key, change)

    # Sizes

    def _set_size(self, deployment: Object, rs: Object, size: int) -> bool:
        """Scale a set; True when its size changed."""
        before = rollout.replicas_of(rs)
        surge, _ = rollout.fenceposts(deployment)
        wanted = rollout.replicas_of(deployment)

        def change(obj: Object) -> None:
            obj["spec"]["replicas"] = size
            annotations = obj["metadata"].setdefault("annotations", {})
            annotations |= {rollout.DESIRED: str(wanted), rollout.MAXIMUM: str(wanted + surge)}

        self._registry.patch(REPLICASETS, _key(rs), change)
        rs["spec"]["replicas"] = size
        if before == size:
            return False
        way = "up" if size > before else "down"
        message = f"Scaled {way} replica set {rs['metadata']['name']} from {before} to {size}"
        self._events.normal(deployment, "ScalingReplicaSet", message)
        return True

    def _scale_all(self, deployment: Object, sets: Sequence[Object], new: Object | None) -> None:
        """The Deployment's size changed, or it is paused: let its sets follow without rolling."""
        old = self._old(sets, new)
        active = [rs for rs in sets if rollout.replicas_of(rs) > 0]
        if len(active) <= 1:
            one = active[0] if active else new or (old[-1] if old else None)
            if one is not None:
                self._set_size(deployment, one, rollout.replicas_of(deployment))
            return
        if rollout.is_saturated(deployment, new):
            for rs in old:
                if rollout.replicas_of(rs) > 0:
                    self._set_size(deployment, rs, 0)
        elif rollout.is_rolling(deployment):
            surge, _ = rollout.fenceposts(deployment)
            grows = rollout.replicas_of(deployment) + surge > rollout.total(active)
            ranked = rollout.by_size(active, newer_first=grows)
            for rs, size in zip(ranked, rollout.proportions(deployment, ranked), strict=True):
                self._set_size(deployment, rs, size)

    # Strategies

    def _roll(self, key: Key, deployment: Object, sets: Sequence[Object]) -> None:
        new = self._find_or_create_new(key, deployment, sets)
        sets = claim(self._registry, REPLICASETS, deployment)
        size, wanted = rollout.replicas_of(new), rollout.replicas_of(deployment)
        if size != wanted:
            target = wanted if size > wanted else rollout.new_size(deployment, sets, size)
            if self._set_size(deployment, new, target):
                return
        old = self._old(sets, new)
        if self._shrink_old(deployment, new, old):
            return
        if rollout.is_complete(deployment, progress.calculate(deployment, sets, new, self._clock.now())):
            self._clean_up(deployment, sets, new)

    def _shrink_old(self, deployment: Object, new: Object, old: Sequence[Object]) -> bool:
        """Take away what may go: first what is broken anyway, then as many good ones as can be spared."""
        if rollout.total(old) == 0:
            return False
        _, unavailable = rollout.fenceposts(deployment)
        least = rollout.replicas_of(deployment) - unavailable
        new_broken = rollout.replicas_of(new) - rollout.available_of(new)
        spare = rollout.total([new, *old]) - least - new_broken
        if spare <= 0:
            return False
        removed = self._remove_broken(deployment, old, spare)
        available = sum(rollout.available_of(rs) for rs in (new, *old))
        return self._remove_good(deployment, old, available - least) or removed

    def _remove_broken(self, deployment: Object, old: Sequence[Object], spare: int) -> bool:
        removed = 0
        for rs in old:
            size = rollout.replicas_of(rs)
            count = min(spare - removed, size - rollout.available_of(rs))
            if size > 0 and count > 0:
                self._set_size(deployment, rs, size - count)
                removed += count
        return removed > 0

    def _remove_good(self, deployment: Object, old: Sequence[Object], spare: int) -> bool:
        removed = 0
        for rs in old:
            size = rollout.replicas_of(rs)
            count = min(size, spare - removed)
            if size > 0 and count > 0:
                self._set_size(deployment, rs, size - count)
                removed += count
        return removed > 0

    def _recreate(self, key: Key, deployment: Object, sets: Sequence[Object]) -> None:
        new = self._find_or_update_new(key, deployment, sets)
        old = self._old(sets, new)
        shrunk = [self._set_size(deployment, rs, 0) for rs in old if rollout.replicas_of(rs) > 0]
        if any(shrunk) or self._pods_left(old):
            return
        new = new or self._create_new(key, deployment, sets)
        if rollout.replicas_of(new) != rollout.replicas_of(deployment):
            self._set_size(deployment, new, rollout.replicas_of(deployment))
        if rollout.is_complete(deployment, progress.calculate(deployment, [*old, new], new, self._clock.now())):
            self._clean_up(deployment, sets, new)

    def _pods_left(self, old: Sequence[Object]) -> bool:
        """Whether old pods still run; those that terminate do."""
        return any(
            view.phase not in ("Succeeded", "Failed")
            for rs in old
            for view in self._views.owned_by(rs["metadata"]["uid"])
        )

    def _clean_up(self, deployment: Object, sets: Sequence[Object], new: Object | None) -> None:
        """Forget the oldest revisions beyond the limit."""
        limit = deployment["spec"].get("revisionHistoryLimit")
        old = sorted(self._old(sets, new), key=rollout.revision_of)
        excess = len(old) - (10 if limit is None else int(limit))
        for rs in old[: max(0, excess)]:
            if rollout.replicas_of(rs) == 0 and rollout.count_of(rs) == 0 and "deletionTimestamp" not in rs["metadata"]:
                self._registry.delete(REPLICASETS, _key(rs), propagation="Background")

    # Telling

    def _note(self, key: Key, status: str, reason: str, message: str) -> None:
        """Set the Progressing condition."""
        deployment = self._registry.get(DEPLOYMENTS, key)
        if deployment["spec"].get("progressDeadlineSeconds") is None:
            return
        now = self._clock.now()
        change = progress.with_condition("Progressing", status, reason, message, now=now)
        self._registry.patch_status(DEPLOYMENTS, key, change)

    def _note_pause(self, key: Key, deployment: Object) -> Object:
        if deployment["spec"].get("progressDeadlineSeconds") is None:
            return deployment
        current = progress.condition(deployment, "Progressing")
        if current is not None and current["reason"] == progress.TIMED_OUT:
            return deployment
        paused = bool(deployment["spec"].get("paused"))
        was_paused = current is not None and current["reason"] == "DeploymentPaused"
        if paused and not was_paused:
            self._note(key, "Unknown", "DeploymentPaused", "Deployment is paused")
        elif was_paused and not paused:
            self._note(key, "Unknown", "DeploymentResumed", "Deployment is resumed")
        else:
            return deployment
        return self._registry.get(DEPLOYMENTS, key)

    def _report(self, key: Key, deployment: Object, sets: Sequence[Object], new: Object | None) -> float | None:
        """Write the status; seconds until the deadline must be looked at."""
        now = self._clock.now()
        status = progress.calculate(deployment, sets, new, now)
        if "deletionTimestamp" not in deployment["metadata"] and not deployment["spec"].get("paused"):
            progress.judge(deployment, status, new, now)
        progress.copy_failures(status, sets)

        def change(obj: Object) -> None:
            obj["status"] = status

        written = self._registry.patch_status(DEPLOYMENTS, key, change)
        return progress.seconds_to_deadline(written, now)


def _key(obj: Object) -> Key:
    return Key(obj["metadata"]["namespace"], obj["metadata"]["name"])


def _copied(deployment: Object) -> dict[str, str]:
    annotations = deployment["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name not in _NOT_COPIED}


def _raise_revision(annotations: dict[str, str], revision: int) -> None:
    """Give it the revision unless it has a higher one; what it had before is remembered."""
    before = annotations.get(rollout.REVISION)
    if before is not None and before.isdigit() and int(before) >= revision:
        return
    annotations[rollout.REVISION] = str(revision)
    if before:
        history = annotations.get(rollout.REVISION_HISTORY)
        annotations[rollout.REVISION_HISTORY] = f"{history},{before}" if history else before


def _count_collision(deployment: Object) -> None:
    status = deployment.setdefault("status", {})
    status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
