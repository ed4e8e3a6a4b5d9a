"""ReplicaSets: as many pods as wanted, no more, no fewer."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.api.selectors import LabelSelector, from_object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.owned_pods import OwnedPods, pod_from_template
from sandbox.cluster.controllers.ownership import claim_pods, controllers_of
from sandbox.cluster.controllers.pace import Pace
from sandbox.cluster.controllers.pod_views import PodView, PodViews
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.replicasets import REPLICASETS
from sandbox.cluster.resources.resource import Resource

_BURST = 500
"""Pods made or deleted in one look, as in Kubernetes."""
_LONGEST_RETRY = 60
"""Seconds between attempts to make pods that are refused."""
_BREATH = 20
"""After so many the other tasks of the process have a turn."""


def _selector(rs: Object) -> LabelSelector:
    return from_object(rs["spec"].get("selector"))


@dataclass(frozen=True)
class Replicated:
    """A kind that wants so many pods of one template."""

    name: str
    """Of the controller, as events name it."""
    resource: Resource
    selector: Callable[[Object], LabelSelector]


REPLICA_SET = Replicated("replicaset-controller", REPLICASETS, _selector)


class ReplicaSetController:
    """Keeps ReplicaSets (or what else is replicated) at their size."""

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock, of: Replicated = REPLICA_SET) -> None:
        self.name = of.name
        self._registry = registry
        self._resource = of.resource
        self._selector = of.selector
        self._views = views
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)
        self._pods = OwnedPods(registry, self._events)
        self._failures: dict[Key, int] = {}
        self._pace = Pace(clock)

    def watches(self) -> Sequence[Watch]:
        """Its own kind, and pods."""
        return (Watch(self._resource), Watch(PODS, self._concerned))

    def _concerned(self, change: Change) -> Iterable[Key]:
        if change.stored.indexed.owners or (change.stored_before is not None and change.stored_before.indexed.owners):
            return controllers_of(change, self._resource.kind)
        return self._may_adopt(change)

    def _may_adopt(self, change: Change) -> Iterable[Key]:
        """An orphan concerns every one that selects it."""
        labels = dict(change.stored.indexed.labels)
        if change.type == "DELETED" or not labels:
            return ()
        return [
            Key(change.key.namespace, rs["metadata"]["name"])
            for rs in self._registry.list(self._resource, namespace=change.key.namespace)
            if self._selector(rs).matches(labels)
        ]

    async def reconcile(self, key: Key) -> float | None:
        """Make or delete pods until there are as many as wanted, and say how many there are."""
        early = self._pace.wait(key)
        if early is not None:
            return early
        rs = self._registry.find(self._resource, key)
        if rs is None:
            return None
        selector = self._selector(rs)
        pods = [view for view in claim_pods(self._registry, self._views, rs, selector) if view.active]
        failure = None
        if "deletionTimestamp" not in rs["metadata"]:
            failure = await self._resize(rs, pods)
            pods = self._now(rs, selector)
        again = self._report(key, rs, pods, failure)
        self._pace.looked(key, len(pods))
        if failure is None:
            self._failures.pop(key, None)
            return again
        self._failures[key] = self._failures.get(key, 0) + 1
        return float(min(2 ** self._failures[key], _LONGEST_RETRY))

    def _now(self, rs: Object, selector: LabelSelector) -> list[PodView]:
        owned = self._views.owned_by(rs["metadata"]["uid"])
        return [view for view in owned if view.active and selector.matches(view.labels)]

    async def _resize(self, rs: Object, pods: Sequence[PodView]) -> ApiError | None:
        missing = int(rs["spec"].get("replicas", 1)) - len(pods)
        try:
            if missing > 0:
                await self._create(rs, min(missing, _BURST))
            elif missing < 0:
                await self._delete(rs, pods, min(-missing, _BURST))
        except ApiError as error:
            return error
        return None

    async def _create(self, rs: Object, count: int) -> None:
        for number in range(1, count + 1):
            self._pods.create(rs, pod_from_template(rs["spec"]["template"], rs))
            if number % _BREATH == 0:
                await asyncio.sleep(0)

    async def _delete(self, rs: Object, pods: Sequence[PodView], count: int) -> None:
        doomed = sorted(pods, key=self._ranking(rs, pods))[:count]
        for number, view in enumerate(doomed, start=1):
            self._pods.delete(rs, view.key, view.uid)
            if number % _BREATH == 0:
                await asyncio.sleep(0)

    def _ranking(self, rs: Object, pods: Sequence[PodView]) -> DeletionOrder:
        owner = next((r["uid"] for r in rs["metadata"].get("ownerReferences") or () if r.get("controller")), "")
        related = list(pods)
        if owner:
            for sibling in self._registry.list(self._resource, owner=owner):
                related += [v for v in self._views.owned_by(sibling["metadata"]["uid"]) if v.active]
        neighbours = Counter(view.node for view in {view.uid: view for view in related}.values())
        return DeletionOrder(neighbours, self._clock.now().timestamp())

    def _report(self, key: Key, rs: Object, pods: Sequence[PodView], failure: ApiError | None) -> float | None:
        now = self._clock.now()
        minimum = int(rs["spec"].get("minReadySeconds") or 0)
        waits = [view.available_in(minimum, now.timestamp()) for view in pods]
        template_labels = rs["spec"]["template"]["metadata"].get("labels") or {}
        counts = {
            "fullyLabeledReplicas": sum(1 for v in pods if template_labels.items() <= v.labels.items()),
            "readyReplicas": sum(1 for v in pods if v.ready),
            "availableReplicas": sum(1 for wait in waits if wait == 0.0),
        }
        status: Object = {"replicas": len(pods)} | {name: count for name, count in counts.items() if count}
        status["observedGeneration"] = rs["metadata"].get("generation", 1)
        if failure is not None:
            status["conditions"] = [_replica_failure(rs, failure, stamp(now))]

        def change(obj: Object) -> None:
            obj["status"] = status

        self._registry.patch_status(self._resource, key, change)
        pending = [wait for wait in waits if 0.0 < wait < math.inf]
        return min(pending) if pending else None


def _replica_failure(rs: Object, failure: ApiError, now: str) -> Object:
    """The condition; one that is there stays, for its message may name a pod that each attempt names anew."""
    old = next((c for c in (rs.get("status") or {}).get("conditions") or () if c["type"] == "ReplicaFailure"), None)
    return old or {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "FailedCreate",
        "message": str(failure),
    }


class DeletionOrder:
    """Which pods go first: those not yet placed, not running, not ready, cheap, crowded, young, often restarted."""

    _PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}  # noqa: RUF012 - a constant

    def __init__(self, neighbours: Counter[str], now: float) -> None:
        self._neighbours = neighbours
        self._now = now

    def __call__(self, view: PodView) -> tuple[object, ...]:
        """A sort key: smaller goes first."""
        return (
            bool(view.node),
            self._PHASES.get(view.phase, 2),
            view.ready,
            view.deletion_cost,
            -self._neighbours[view.node],
            self._age(view.ready_since) if view.ready else 0,
            -view.restarts,
            self._age(view.created),
            view.uid,
        )

    def _age(self, since: float) -> int:
        """Ages are told apart by their order of magnitude only, so that which of several young ones goes is chance."""
        nanoseconds = (self._now - since) * 1e9
        return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1
