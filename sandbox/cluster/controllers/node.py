"""Nodes: their pod addresses, whether they are alive, and what happens to the pods of those that are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sandbox.cluster.api.clock import Clock, parse_time, stamp
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.events import EventRecorder
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.leases import LEASES
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.pods import PODS

_LEASES = "kube-node-lease"
_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_OURS = (_NOT_READY, _UNREACHABLE, _UNSCHEDULABLE)
DEFAULT_TOLERATION = 300.0
"""What the API server writes into pods that say nothing about nodes that do not answer."""
_SILENT = ("NodeStatusUnknown", "Kubelet stopped posting node status.")


@dataclass(frozen=True)
class NodeTimes:
    """How soon a silent node is noticed."""

    grace: float = 12.0
    """Seconds without a heartbeat; Kubernetes takes 50."""
    default_toleration: float = DEFAULT_TOLERATION
    """What the seconds that every pod tolerates by default really take; a pod's own wish is kept to the second."""


def node_number(name: str) -> int:
    """Which of the cluster's nodes this is, from 0: `minikube` is the first, `minikube-m02` the second."""
    match = re.search(r"-m(\d+)$", name)
    return max(int(match[1]) - 1, 0) if match else 0


class NodeController:
    """Watches heartbeats, sets conditions and taints, and evicts what does not tolerate them."""

    name = "node-controller"

    def __init__(self, registry: Registry, *, clock: Clock, times: NodeTimes, pod_cidr: str) -> None:
        self._registry = registry
        self._clock = clock
        self._times = times
        self._cidr_prefix = pod_cidr.split("/")[0].rsplit(".", 2)[0]
        self._events = EventRecorder(registry, self.name, clock=clock)
        self._known: set[str] = set()

    def watches(self) -> Sequence[Watch]:
        """Nodes and their leases, and pods that come to a node."""
        return (Watch(NODES), Watch(LEASES, _of_lease), Watch(PODS, self._of_pod))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        """A pod concerns its node only when it has just come there."""
        node, before = change.stored.indexed.node, change.stored_before
        came = bool(node) and change.type != "DELETED" and (before is None or before.indexed.node != node)
        return (Key("", node),) if came else ()

    async def reconcile(self, key: Key) -> float | None:
        """Look at one node; seconds until it must be looked at again."""
        node = self._registry.find(NODES, key)
        if node is None:
            if key.name in self._known:
                self._known.discard(key.name)
            return None
        if key.name not in self._known:
            self._known.add(key.name)
            message = f"Node {key.name} event: Registered Node {key.name} in Controller"
            self._events.normal(node, "RegisteredNode", message)
        node = self._give_addresses(node)
        left = self._heard_of(node)
        if left is not None and left <= 0:
            node = self._mark_silent(node)
        node = self._taint(node)
        waits = [wait for wait in (left, self._evict(node)) if wait is not None and wait > 0]
        return min(waits) if waits else None

    def _give_addresses(self, node: Object) -> Object:
        if node["spec"].get("podCIDR"):
            return node
        taken = {other["spec"].get("podCIDR") for other in self._registry.list(NODES)}
        # The node's own number first: that is where its pods get their addresses.
        numbers = [node_number(node["metadata"]["name"]) % 256, *range(256)]
        wanted = next(cidr for n in numbers if (cidr := f"{self._cidr_prefix}.{n}.0/24") not in taken)

        def change(obj: Object) -> None:
            obj["spec"] |= {"podCIDR": wanted, "podCIDRs": [wanted]}

        return self._registry.patch(NODES, Key("", node["metadata"]["name"]), change)

    # Alive?

    def _heard_of(self, node: Object) -> float | None:
        """Seconds of grace left since the last heartbeat; None when there was none yet."""
        lease = self._registry.find(LEASES, Key(_LEASES, node["metadata"]["name"]))
        renewed = (lease or {"spec": {}})["spec"].get("renewTime")
        if not renewed:
            return None
        silence = (self._clock.now() - parse_time(renewed)).total_seconds()
        return self._times.grace - silence

    def _mark_silent(self, node: Object) -> Object:
        if condition_of(node, "Ready").get("status") == "Unknown":
            return node
        name, now = node["metadata"]["name"], self._clock.now()

        def change(obj: Object) -> None:
            for one in obj["status"].get("conditions") or ():
                one |= {
                    "status": "Unknown",
                    "lastTransitionTime": stamp(now),
                    "reason": _SILENT[0],
                    "message": _SILENT[1],
                }

        node = self._registry.patch_status(NODES, Key("", name), change)
        self._events.normal(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in self._registry.list(PODS, fields=f"spec.nodeName={name}"):
            self._mark_pod(pod, now)
        return node

    def _mark_pod(self, pod: Object, now: datetime) -> None:
        if condition_of(pod, "Ready").get("status") != "True":
            return

        def change(obj: Object) -> None:
            for one in obj["status"]["conditions"]:
                if one["type"] == "Ready":
                    one |= {"status": "False", "lastTransitionTime": stamp(now)}

        key = Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
        try:
            self._registry.patch_status(PODS, key, change)
        except ApiError:
            return
        self._events.warning(pod, "NodeNotReady", "Node is not ready")

    # Taints

    def _taint(self, node: Object) -> Object:
        wanted = _wanted_taints(node)
        current = node["spec"].get("taints") or []
        ours = {(t["key"], t["effect"]) for t in current if t["key"] in _OURS}
        if ours == set(wanted):
            return node
        now = stamp(self._clock.now())
        kept = [t for t in current if t["key"] not in _OURS or (t["key"], t["effect"]) in wanted]
        kept += [
            {"key": key, "effect": effect, "timeAdded": now} for key, effect in wanted if (key, effect) not in ours
        ]

        def change(obj: Object) -> None:
            obj["spec"].pop("taints", None)
            if kept:
                obj["spec"]["taints"] = kept

        ready = condition_of(node, "Ready").get("status") == "True"
        name = node["metadata"]["name"]
        if ready and any(key in (_NOT_READY, _UNREACHABLE) for key, _ in ours):
            self._events.normal(node, "NodeReady", f"Node {name} status is now: NodeReady")
        return self._registry.patch(NODES, Key("", name), change)

    def _evict(self, node: Object) -> float | None:
        """Delete the pods that do not tolerate a NoExecute taint (any longer); seconds until the next is due."""
        taints = [t for t in node["spec"].get("taints") or () if t["effect"] == "NoExecute"]
        if not taints:
            return None
        due = []
        for pod in self._registry.list(PODS, fields=f"spec.nodeName={node['metadata']['name']}"):
            if "deletionTimestamp" in pod["metadata"] or "kubernetes.io/config.mirror" in (
                pod["metadata"].get("annotations") or {}
            ):
                continue
            left = _tolerated_for(pod, taints, self._clock.now(), default=self._times.default_toleration)
            if left is None:
                continue
            if left > 0:
                due.append(left)
                continue
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            self._events.normal(pod, "TaintManagerEviction", f"Marking for deletion Pod {namespace}/{name}")
            self._registry.delete(PODS, Key(namespace, name), uid=pod["metadata"]["uid"])
        return min(due) if due else None


def condition_of(obj: Object, name: str) -> Object:
    """A condition of a status, or an empty object."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == name), {})


def _wanted_taints(node: Object) -> list[tuple[str, str]]:
    ready = condition_of(node, "Ready").get("status")
    wanted = []
    if ready == "False":
        wanted += [(_NOT_READY, "NoSchedule"), (_NOT_READY, "NoExecute")]
    elif ready == "Unknown":
        wanted += [(_UNREACHABLE, "NoSchedule"), (_UNREACHABLE, "NoExecute")]
    if node["spec"].get("unschedulable"):
        wanted.append((_UNSCHEDULABLE, "NoSchedule"))
    return wanted


def tolerates(pod: Object, taint: Object) -> Object | None:
    """The toleration of a pod that a taint falls under, or None."""
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") and toleration["effect"] != taint["effect"]:
            continue
        if toleration.get("key") and toleration["key"] != taint["key"]:
            continue
        exists = toleration.get("operator", "Equal") == "Exists"
        if exists or (toleration.get("key") and toleration.get("value", "") == taint.get("value", "")):
            return dict(toleration)
    return None


def _tolerated_for(pod: Object, taints: Sequence[Object], now: datetime, *, default: float) -> float | None:
    """Seconds until the pod must go; None: it may stay."""
    left: float | None = None
    for taint in taints:
        toleration = tolerates(pod, taint)
        if toleration is None:
            return 0.0
        seconds = toleration.get("tolerationSeconds")
        if seconds is None:
            continue
        since = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
        by_default = seconds == DEFAULT_TOLERATION and taint["key"] in (_NOT_READY, _UNREACHABLE)
        remaining = (default if by_default else float(seconds)) - (now - since).total_seconds()
        left = remaining if left is None else min(left, remaining)
    return left


def _of_lease(change: Change) -> Iterable[Key]:
    return (Key("", change.key.name),) if change.key.namespace == _LEASES else ()


class PodGarbageCollector:
    """Takes away pods that no kubelet will: of nodes that are gone, and those deleted before they had a node."""

    name = "pod-garbage-collector"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Nodes that are gone; pods that are deleted without a node."""
        return (Watch(NODES, self._of_gone), Watch(PODS, self._of_pod))

    def _of_gone(self, change: Change) -> Iterable[Key]:
        if change.type != "DELETED":
            return ()
        found = self._registry.list_stored(PODS, fields=f"spec.nodeName={change.key.name}")
        return [stored.key for stored in found]

    def _of_pod(self, change: Change) -> Iterable[Key]:
        node = change.stored.indexed.node
        if change.type == "DELETED":
            return ()
        if node:
            return (change.key,) if not self._registry.exists(NODES, Key("", node)) else ()
        return (change.key,) if b'"deletionTimestamp"' in change.stored.body else ()

    async def reconcile(self, key: Key) -> float | None:
        """Delete the pod for good, if nobody else will."""
        pod = self._registry.find(PODS, key)
        if pod is None:
            return None
        node = pod["spec"].get("nodeName")
        orphaned = bool(node) and not self._registry.exists(NODES, Key("", node))
        unplaced = not node and "deletionTimestamp" in pod["metadata"]
        if orphaned or unplaced:
            self._registry.delete(PODS, key, grace=0, uid=pod["metadata"]["uid"])
        return None
