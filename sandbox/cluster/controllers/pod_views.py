"""What controllers ask of pods, remembered by revision: 5,000 pods are decoded once, not once a look."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.clock import parse_time
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.store import Stored

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True, slots=True)
class PodView:
    """The facts about a pod that controllers decide on."""

    key: Key
    uid: str
    labels: Mapping[str, str]
    owner: str
    """uid of the controlling owner, or empty."""
    node: str
    phase: str
    ready: bool
    ready_since: float
    created: float
    restarts: int
    deletion_cost: int
    deleting: bool
    ip: str
    hostname: str
    subdomain: str
    ports: tuple[tuple[str, int, str], ...]
    """Container ports: name, number, protocol."""

    @property
    def active(self) -> bool:
        """Whether it counts as a replica."""
        return self.phase not in ("Succeeded", "Failed") and not self.deleting

    def available_in(self, min_ready_seconds: int, now: float) -> float:
        """Seconds until it counts as available; 0 when it does, infinite when it is not ready."""
        if not self.ready:
            return float("inf")
        if not min_ready_seconds:
            return 0.0
        return max(0.0, self.ready_since + min_ready_seconds - now)


class PodViews:
    """Views of all pods, made when first asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[Key, tuple[int, PodView]] = {}

    def in_namespace(self, namespace: str) -> Sequence[PodView]:
        """Every pod of a namespace, by name."""
        return self._views(self._registry.list_stored(PODS, namespace=namespace))

    def owned_by(self, uid: str) -> Sequence[PodView]:
        """Every pod that has this owner."""
        return self._views(self._registry.list_stored(PODS, owner=uid))

    def on_node(self, node: str) -> Sequence[PodView]:
        """Every pod of a node."""
        return self._views(self._registry.list_stored(PODS, fields=f"spec.nodeName={node}"))

    def everywhere(self) -> Sequence[PodView]:
        """Every pod."""
        return self._views(self._registry.list_stored(PODS))

    def _views(self, found: Iterable[Stored]) -> list[PodView]:
        views = [self._view(stored) for stored in found]
        if len(self._known) > 2 * self._registry.store.count(PODS.qualified) + 100:
            self._known = {view.key: self._known[view.key] for view in views}
        return views

    def _view(self, stored: Stored) -> PodView:
        known = self._known.get(stored.key)
        if known is not None and known[0] == stored.revision:
            return known[1]
        view = pod_view(json.loads(stored.body), dict(stored.indexed.labels))
        self._known[stored.key] = (stored.revision, view)
        return view


def pod_view(pod: Object, labels: Mapping[str, str]) -> PodView:
    """The view of one pod."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    controller: Object = next((r for r in metadata.get("ownerReferences") or () if r.get("controller")), {})
    ready: Object = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})
    return PodView(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        labels=labels,
        owner=controller.get("uid", ""),
        node=spec.get("nodeName") or "",
        phase=status.get("phase", "Pending"),
        ready=ready.get("status") == "True",
        ready_since=_seconds(ready.get("lastTransitionTime")),
        created=_seconds(metadata.get("creationTimestamp")),
        restarts=sum(int(one.get("restartCount") or 0) for one in status.get("containerStatuses") or ()),
        deletion_cost=_cost((metadata.get("annotations") or {}).get(_DELETION_COST)),
        deleting="deletionTimestamp" in metadata,
        ip=status.get("podIP", ""),
        hostname=spec.get("hostname", ""),
        subdomain=spec.get("subdomain", ""),
        ports=_ports(spec),
    )


def _ports(spec: Object) -> tuple[tuple[str, int, str], ...]:
    return tuple(
        (port.get("name", ""), int(port["containerPort"]), port.get("protocol", "TCP"))
        for container in spec["containers"]
        for port in container.get("ports") or ()
    )


def _seconds(text: str | None) -> float:
    return parse_time(text).timestamp() if text else 0.0


def _cost(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
