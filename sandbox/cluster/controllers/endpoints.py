"""Endpoints: the addresses behind each Service, in the older form that `kubectl get endpoints` shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.api.errors import AlreadyExists
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.pace import Pace
from sandbox.cluster.controllers.pod_views import PodView, PodViews
from sandbox.cluster.controllers.service_pods import (
    Port,
    grouped,
    has_selector,
    hostname_for,
    is_headless,
    pods_of,
    services_of,
    target_ref,
)
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.endpoints import ENDPOINTS
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.services import SERVICES

_LIMIT = 1000
"""Addresses in one Endpoints object, as in Kubernetes."""


class EndpointsController:
    """Keeps an Endpoints object beside each Service that has a selector."""

    name = "endpoints-controller"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._pace = Pace(clock)

    def watches(self) -> Sequence[Watch]:
        """Services, their pods, and its own objects."""
        return (Watch(SERVICES), Watch(PODS, self._of_pod), Watch(ENDPOINTS))

    def _of_pod(self, change: Change) -> Iterable[Key]:
        return services_of(self._registry, change)

    async def reconcile(self, key: Key) -> float | None:
        """Write the addresses, if they changed."""
        early = self._pace.wait(key)
        if early is not None:
            return early
        service = self._registry.find(SERVICES, key)
        if service is None:
            if self._registry.exists(ENDPOINTS, key) and self._is_ours(key):
                self._registry.delete(ENDPOINTS, key)
            return None
        if not has_selector(service):
            return None
        wanted = self._wanted(service)
        current = self._registry.find(ENDPOINTS, key)
        if current is None:
            try:
                self._registry.create(ENDPOINTS, wanted, namespace=key.namespace)
            except AlreadyExists:
                return 0.1
        else:
            self._registry.patch(ENDPOINTS, key, lambda obj: _replace(obj, wanted))
        return None

    def _is_ours(self, key: Key) -> bool:
        """An Endpoints object that someone made by hand for a Service still to come is left alone."""
        labels = self._registry.get(ENDPOINTS, key)["metadata"].get("labels") or {}
        return labels.get("endpoints.kubernetes.io/managed-by") == self.name

    def _wanted(self, service: Object) -> Object:
        tolerate = bool(service["spec"].get("publishNotReadyAddresses"))
        pods = [view for view in pods_of(self._views, service) if tolerate or not view.deleting][:_LIMIT]
        self._pace.looked(Key(service["metadata"]["namespace"], service["metadata"]["name"]), len(pods))
        groups = grouped(service, sorted(pods, key=lambda view: _address_key(view.ip)))
        labels = {"endpoints.kubernetes.io/managed-by": self.name} | (service["metadata"].get("labels") or {})
        if is_headless(service):
            labels["service.kubernetes.io/headless"] = ""
        metadata = {
            "name": service["metadata"]["name"],
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
        }
        wanted: Object = {"metadata": metadata}
        subsets = [_subset(service, ports, views, tolerate=tolerate) for ports, views in groups.items()]
        if subsets:
            wanted["subsets"] = subsets
        return wanted


def _address_key(ip: str) -> tuple[int, ...]:
    return tuple(int(part) for part in ip.split(".") if part.isdigit())


def _replace(obj: Object, wanted: Object) -> None:
    obj["metadata"]["labels"] = wanted["metadata"]["labels"]
    obj.pop("subsets", None)
    if "subsets" in wanted:
        obj["subsets"] = wanted["subsets"]


def _subset(service: Object, ports: tuple[Port, ...], views: Sequence[PodView], *, tolerate: bool) -> Object:
    subset: Object = {}
    for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
        found = [_address(service, view) for view in views if (view.ready or tolerate) is wanted]
        if found:
            subset[field] = found
    if ports:
        subset["ports"] = [_port(port) for port in ports]
    return subset


def _address(service: Object, view: PodView) -> Object:
    address: Object = {"ip": view.ip}
    hostname = hostname_for(service, view)
    if hostname:
        address["hostname"] = hostname
    return address | {"nodeName": view.node, "targetRef": target_ref(view)}


def _port(port: Port) -> Object:
    shown: Object = {"name": port.name} if port.name else {}
    shown |= {"port": port.number, "protocol": port.protocol}
    return shown | ({"appProtocol": port.app_protocol} if port.app_protocol else {})
