"""PodDisruptionBudgets: counts what an eviction may take. The eviction itself asks and takes (`subresources.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.objects import Key, Object, controller_of, key_of
from sandbox.cluster.api.selectors import from_object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.pod_views import PodView, PodViews
from sandbox.cluster.controllers.rollout import replicas_of, scaled
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.poddisruptionbudgets import PODDISRUPTIONBUDGETS
from sandbox.cluster.resources.pods import PODS

_SCALED = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")


class _NoScale(Exception):
    """The pods of a budget have no controller whose size could be asked."""


class DisruptionController:
    """Keeps the status of PodDisruptionBudgets."""

    name = "controllermanager"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)

    def watches(self) -> Sequence[Watch]:
        """Its own kind, and pods, for the budgets that select them."""
        return (Watch(PODDISRUPTIONBUDGETS), Watch(PODS, self._of_pod))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        labels = dict(change.stored.indexed.labels)
        return [
            key_of(budget)
            for budget in self._registry.list(PODDISRUPTIONBUDGETS, namespace=change.key.namespace)
            if from_object(budget["spec"].get("selector")).matches(labels)
        ]

    async def reconcile(self, key: Key) -> float | None:
        """Count again."""
        budget = self._registry.find(PODDISRUPTIONBUDGETS, key)
        if budget is None:
            return None
        selector = from_object(budget["spec"].get("selector"))
        pods = [
            view
            for view in self._views.in_namespace(key.namespace)
            if selector.matches(view.labels) and view.phase not in ("Succeeded", "Failed")
        ]
        if not pods:
            self._events.normal(budget, "NoPods", "No matching pods found")
        healthy = sum(1 for view in pods if view.ready and not view.deleting)
        try:
            expected, desired = self._wanted(budget, pods)
        except _NoScale as error:
            self._events.warning(budget, "CalculateExpectedPodCountFailed", str(error))
            self._write(key, budget, (0, healthy, len(pods), len(pods)), "SyncFailed", str(error))
            return None
        allowed = max(0, healthy - desired) if expected > 0 else 0
        reason = "SufficientPods" if allowed else "InsufficientPods"
        self._write(key, budget, (allowed, healthy, desired, expected), reason, "")
        return None

    def _wanted(self, budget: Object, pods: Sequence[PodView]) -> tuple[int, int]:
        """(how many pods there should be, how many of them must stay healthy)."""
        spec = budget["spec"]
        if "maxUnavailable" in spec:
            expected = self._expected(pods)
            return expected, max(0, expected - scaled(spec["maxUnavailable"], expected, up=True))
        least = spec.get("minAvailable", 1)
        if isinstance(least, int):
            return len(pods), least
        expected = self._expected(pods)
        return expected, scaled(least, expected, up=True)

    def _expected(self, pods: Sequence[PodView]) -> int:
        """The sizes of the pods' controllers together: the pods alone would shrink with each eviction."""
        sizes: dict[str, int] = {}
        for view in pods:
            pod = self._registry.find(PODS, view.key)
            owner = self._scaled_owner(pod) if pod is not None else None
            if owner is None:
                raise _NoScale(f'found no controllers for pod "{view.key.name}"')
            sizes[owner["metadata"]["uid"]] = replicas_of(owner)
        return sum(sizes.values())

    def _scaled_owner(self, obj: Object) -> Object | None:
        """The topmost owner that has a size."""
        reference = controller_of(obj)
        resource = None if reference is None else self._registry.of_kind(reference["apiVersion"], reference["kind"])
        if reference is None or resource is None or resource.kind not in _SCALED:
            return None
        owner = self._registry.find(resource, Key(obj["metadata"]["namespace"], reference["name"]))
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return None
        return self._scaled_owner(owner) or owner

    def _write(self, key: Key, budget: Object, counts: tuple[int, int, int, int], reason: str, message: str) -> None:
        allowed, healthy, desired, expected = counts
        value = "True" if allowed else "False"
        old: Object = next(iter((budget.get("status") or {}).get("conditions") or ()), {})
        since = old.get("lastTransitionTime") if old.get("status") == value else None
        generation = budget["metadata"].get("generation", 1)
        condition = {
            "type": "DisruptionAllowed",
            "status": value,
            "observedGeneration": generation,
            "lastTransitionTime": since or stamp(self._clock.now()),
            "reason": reason,
            "message": message,
        }
        status = {
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [condition],
        }

        def change(obj: Object) -> None:
            obj["status"] = status

        self._registry.patch_status(PODDISRUPTIONBUDGETS, key, change)
