"""DaemonSets: one pod on each node that takes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object, copied, key_of
from sandbox.cluster.api.selectors import from_object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.daemon_nodes import assigned_to, node_of, verdict
from sandbox.cluster.controllers.owned_pods import OwnedPods, pod_from_template
from sandbox.cluster.controllers.ownership import claim_pods, controllers_of
from sandbox.cluster.controllers.pod_views import PodView, PodViews, pod_view
from sandbox.cluster.controllers.revisions import LABEL, Revisions, hash_of
from sandbox.cluster.controllers.rollout import scaled
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.daemonsets import DAEMONSETS
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.pods import PODS

_GENERATION = "deprecated.daemonset.template.generation"
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 900.0
"""Seconds before a failed pod of a node is replaced, doubling each time."""


@dataclass
class _Plan:
    """What one look decides: on which nodes pods shall be made, and which shall go."""

    create: list[str] = field(default_factory=list)
    delete: list[PodView] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


class DaemonSetController:
    """Keeps a pod of each DaemonSet on every node that it belongs on."""

    name = "daemonset-controller"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._clock = clock
        self._events = EventRecorder(registry, self.name, clock=clock)
        self._pods = OwnedPods(registry, self._events)
        self._revisions = Revisions(registry)
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        """By uid of the DaemonSet and node: how many pods failed, and when the next may be made."""

    def watches(self) -> Sequence[Watch]:
        """Its own kind, pods, and nodes that change in what decides about pods."""
        return (Watch(DAEMONSETS), Watch(PODS, self._of_pod), Watch(NODES, self._of_node))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        if change.stored.indexed.owners or (change.stored_before is not None and change.stored_before.indexed.owners):
            return controllers_of(change, "DaemonSet")
        labels = dict(change.stored.indexed.labels)
        return [
            key_of(ds)
            for ds in self._registry.list(DAEMONSETS, namespace=change.key.namespace)
            if labels and from_object(ds["spec"].get("selector")).matches(labels)
        ]

    def _of_node(self, change: Change) -> Iterable[Key]:
        before, now = change.previous, change.object
        if (
            change.type == "MODIFIED"
            and before is not None
            and before["spec"] == now["spec"]
            and before["metadata"].get("labels") == now["metadata"].get("labels")
        ):
            return ()
        return [stored.key for stored in self._registry.list_stored(DAEMONSETS)]

    async def reconcile(self, key: Key) -> float | None:
        """Place, replace and count the pods of one DaemonSet."""
        ds = self._registry.find(DAEMONSETS, key)
        if ds is None or "deletionTimestamp" in ds["metadata"]:
            return None
        selector = from_object(ds["spec"].get("selector"))
        if not any((ds["spec"].get("selector") or {}).values()):
            self._events.warning(
                ds, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required."
            )
            return None
        claim_pods(self._registry, self._views, ds, selector)
        current, revisions = self._revisions.of(ds)
        nodes = list(self._registry.list(NODES))
        again = self._manage(ds, nodes, hash_of(current))
        if ds["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            again += self._roll(ds, nodes, hash_of(current))
        pods = self._by_node(ds)
        live = {hash_ for on_node in pods.values() for view in on_node if (hash_ := view.labels.get(LABEL))}
        names = {f"{ds['metadata']['name']}-{hash_}" for hash_ in live} | {current["metadata"]["name"]}
        self._revisions.clean_up(ds, revisions, names)
        again += self._report(key, ds, nodes, hash_of(current))
        return min(again) if again else None

    def _by_node(self, ds: Object) -> dict[str, list[PodView]]:
        """The pods, by the node that they are on or are made for, oldest first."""
        found: dict[str, list[PodView]] = {}
        for pod in self._registry.list(PODS, owner=ds["metadata"]["uid"]):
            view = pod_view(pod, pod["metadata"].get("labels") or {})
            found.setdefault(node_of(pod), []).append(view)
        for on_node in found.values():
            on_node.sort(key=lambda view: (not view.node, view.created, view.key.name))
        return found

    # One pod a node

    def _manage(self, ds: Object, nodes: Sequence[Object], hash_: str) -> list[float]:
        plan, pods = _Plan(), self._by_node(ds)
        for node in nodes:
            self._plan_node(ds, node, pods.pop(node["metadata"]["name"], []), plan)
        for name, left in pods.items():
            # Made for a node that is gone: nobody else takes away what was never bound.
            plan.delete += [view for view in left if name and not view.node and not view.deleting]
        return self._carry_out(ds, plan, hash_)

    def _plan_node(self, ds: Object, node: Object, pods: Sequence[PodView], plan: _Plan) -> None:
        name = node["metadata"]["name"]
        should_run, may_stay = verdict(ds["spec"]["template"]["spec"], node)
        if not should_run and not may_stay:
            plan.delete += [view for view in pods if not view.deleting]
            return
        running = [view for view in pods if not self._has_ended(ds, name, view, plan)]
        if should_run and not pods:
            plan.create.append(name)
        if not _surge(ds):
            plan.delete += [view for view in running if not view.deleting][1:]

    def _has_ended(self, ds: Object, node: str, view: PodView, plan: _Plan) -> bool:
        """Whether a pod ended, which a daemon never should: then it goes, and another comes."""
        if view.deleting or view.phase not in ("Failed", "Succeeded"):
            return False
        what = f"daemon pod {view.key.namespace}/{view.key.name} on node {node}, will try to"
        if view.phase == "Succeeded":
            self._events.normal(ds, "SucceededDaemonPod", f"Found succeeded {what} delete it")
        else:
            wait = self._wait_after_failure(ds, node)
            if wait > 0:
                plan.again.append(wait)
                return False
            self._events.warning(ds, "FailedDaemonPod", f"Found failed {what} kill it")
        plan.delete.append(view)
        return True

    def _wait_after_failure(self, ds: Object, node: str) -> float:
        """Seconds until a failed pod is taken away; the first time at once."""
        now, known = self._clock.monotonic(), self._failures.get((ds["metadata"]["uid"], node))
        if known is not None and now < known[1]:
            return known[1] - now
        count = 1 if known is None or now > known[1] + 2 * _LONGEST_RETRY else known[0] + 1
        delay = min(_FIRST_RETRY * 2 ** min(count - 1, 20), _LONGEST_RETRY)
        self._failures[ds["metadata"]["uid"], node] = (count, now + delay)
        return 0.0

    def _carry_out(self, ds: Object, plan: _Plan, hash_: str) -> list[float]:
        for view in {view.uid: view for view in plan.delete}.values():
            self._pods.delete(ds, view.key, view.uid)
        for node in plan.create:
            try:
                self._pods.create(ds, self._pod(ds, node, hash_))
            except ApiError:
                plan.again.append(_FIRST_RETRY)
                break
        return plan.again

    def _pod(self, ds: Object, node: str, hash_: str) -> Object:
        template = copied(ds["spec"]["template"])
        labels = template["metadata"].setdefault("labels", {})
        labels[LABEL] = hash_
        generation = (ds["metadata"].get("annotations") or {}).get(_GENERATION)
        if generation:
            labels["pod-template-generation"] = generation
        pod = pod_from_template(template, ds)
        assigned_to(pod["spec"], node)
        return pod

    # From one template to the next

    def _roll(self, ds: Object, nodes: Sequence[Object], hash_: str) -> list[float]:
        wanted = [node["metadata"]["name"] for node in nodes if verdict(ds["spec"]["template"]["spec"], node)[0]]
        pods = self._by_node(ds)
        plan = _Plan()
        if _surge(ds):
            self._plan_surge(ds, wanted, pods, hash_, plan)
        else:
            self._plan_replacement(ds, wanted, pods, hash_, plan)
        return self._carry_out(ds, plan, hash_)

    def _plan_replacement(
        self, ds: Object, wanted: Sequence[str], pods: dict[str, list[PodView]], hash_: str, plan: _Plan
    ) -> None:
        """Delete old pods, as many at a time as may be unavailable; those that are unavailable anyway at once."""
        down, candidates = 0, []
        for node in wanted:
            new, old = _new_and_old(pods.get(node, ()), hash_)
            if old is None:
                down += new is None or not self._available(ds, new)
            elif not self._available(ds, old):
                down += 1
                if not old.deleting:
                    plan.delete.append(old)
            else:
                candidates.append(old)
        rolling = ds["spec"]["updateStrategy"].get("rollingUpdate") or {}
        most = scaled(rolling.get("maxUnavailable", 1), len(wanted), up=True)
        plan.delete += candidates[: max(0, most - down)]

    def _plan_surge(
        self, ds: Object, wanted: Sequence[str], pods: dict[str, list[PodView]], hash_: str, plan: _Plan
    ) -> None:
        """Make the new pod beside the old one, and delete that when the new one is available."""
        surging, candidates = 0, []
        for node in wanted:
            new, old = _new_and_old(pods.get(node, ()), hash_)
            if old is None:
                continue
            if new is not None:
                if self._available(ds, new) and not old.deleting:
                    plan.delete.append(old)
                surging += not self._available(ds, new)
            elif not old.deleting and self._available(ds, old):
                candidates.append(node)
            else:
                surging += 1
                plan.create.append(node)
        plan.create += candidates[: max(0, _most_surge(ds, len(wanted)) - surging)]

    def _available(self, ds: Object, view: PodView) -> bool:
        return not view.deleting and self._wait(ds, view) == 0.0

    def _wait(self, ds: Object, view: PodView) -> float:
        return view.available_in(int(ds["spec"].get("minReadySeconds") or 0), self._clock.now().timestamp())

    # Counting

    def _report(self, key: Key, ds: Object, nodes: Sequence[Object], hash_: str) -> list[float]:
        counts = dict.fromkeys(
            (
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "updated",
                "available",
            ),
            0,
        )
        pods, waits = self._by_node(ds), []
        for node in nodes:
            should_run, _ = verdict(ds["spec"]["template"]["spec"], node)
            on_node = [view for view in pods.get(node["metadata"]["name"], []) if view.phase != "Failed"]
            if not should_run:
                counts["numberMisscheduled"] += bool(on_node)
                continue
            counts["desiredNumberScheduled"] += 1
            if not on_node:
                continue
            counts["currentNumberScheduled"] += 1
            waits += [self._wait(ds, view) for view in on_node if not view.deleting]
            counts["numberReady"] += any(view.ready for view in on_node)
            counts["available"] += any(self._available(ds, view) for view in on_node)
            counts["updated"] += any(view.labels.get(LABEL) == hash_ for view in on_node)
        updated, available = counts.pop("updated"), counts.pop("available")
        status: Object = counts | {"observedGeneration": ds["metadata"].get("generation", 1)}
        optional = {
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
            "numberUnavailable": counts["desiredNumberScheduled"] - available,
        }
        status |= {name: count for name, count in optional.items() if count}

        def change(obj: Object) -> None:
            obj["status"] = status

        self._registry.patch_status(DAEMONSETS, key, change)
        return [wait for wait in waits if 0.0 < wait < math.inf]


def _new_and_old(pods: Iterable[PodView], hash_: str) -> tuple[PodView | None, PodView | None]:
    """The pod of the newest revision and one of another, on one node."""
    new = old = None
    for view in pods:
        if view.labels.get(LABEL) == hash_:
            new = new or view
        else:
            old = old or view
    return new, old


def _most_surge(ds: Object, nodes: int) -> int:
    rolling = ds["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return scaled(rolling.get("maxSurge", 0), nodes, up=True)


def _surge(ds: Object) -> bool:
    return ds["spec"]["updateStrategy"]["type"] == "RollingUpdate" and _most_surge(ds, 100) > 0
