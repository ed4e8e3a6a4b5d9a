"""EndpointSlices: the addresses behind each Service, with what each is good for; what the proxy and DNS read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.controllers.ownership import owner_reference
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
from sandbox.cluster.resources.endpointslices import ENDPOINTSLICES
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.services import SERVICES

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"
_MIRRORING = "endpointslicemirroring-controller.k8s.io"
_SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
_TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
_LIMIT = 100
"""Endpoints in one slice, as in Kubernetes."""


class EndpointSliceController:
    """Keeps slices for each Service: from its pods, or, without a selector, from Endpoints that someone wrote."""

    name = "endpointslice-controller"

    def __init__(self, registry: Registry, *, views: PodViews, clock: Clock) -> None:
        self._registry = registry
        self._views = views
        self._clock = clock
        self._pace = Pace(clock)

    def watches(self) -> Sequence[Watch]:
        """Services, their pods and Endpoints, and its own objects."""
        return (
            Watch(SERVICES),
            Watch(PODS, self._of_pod),
            Watch(ENDPOINTS),
            Watch(ENDPOINTSLICES, _of_slice),
        )

    def _of_pod(self, change: Change) -> Iterable[Key]:
        return services_of(self._registry, change)

    async def reconcile(self, key: Key) -> float | None:
        """Write the slices that are wanted over those that there are, and delete the rest."""
        early = self._pace.wait(key)
        if early is not None:
            return early
        service = self._registry.find(SERVICES, key)
        wanted: list[Object] = []
        manager = _CONTROLLER
        if service is not None and has_selector(service):
            wanted = list(self._from_pods(service))
        elif service is not None:
            manager = _MIRRORING
            wanted = list(self._from_endpoints(service))
        self._write(key, wanted, manager)
        self._pace.looked(key, sum(len(one["endpoints"]) for one in wanted))
        return None

    def _write(self, key: Key, wanted: Sequence[Object], manager: str) -> None:
        labels = f"{SERVICE_NAME}={key.name},{MANAGED_BY} in ({_CONTROLLER},{_MIRRORING})"
        existing = list(self._registry.list(ENDPOINTSLICES, namespace=key.namespace, labels=labels))
        kept = [one for one in existing if one["metadata"]["labels"][MANAGED_BY] == manager]
        for surplus in (*[one for one in existing if one not in kept], *kept[len(wanted) :]):
            self._registry.delete(ENDPOINTSLICES, Key(key.namespace, surplus["metadata"]["name"]))
        for index, slice_ in enumerate(wanted):
            if index < len(kept):
                self._update(kept[index], slice_)
            else:
                slice_["metadata"]["annotations"] = {_TRIGGER: stamp(self._clock.now())}
                self._registry.create(ENDPOINTSLICES, slice_, namespace=key.namespace)

    def _update(self, current: Object, wanted: Object) -> None:
        metadata = current["metadata"]
        same = all(current.get(name) == wanted.get(name) for name in ("endpoints", "ports", "addressType"))
        if same and metadata.get("labels") == wanted["metadata"]["labels"]:
            return

        def change(obj: Object) -> None:
            obj["metadata"]["labels"] = wanted["metadata"]["labels"]
            obj["metadata"].setdefault("annotations", {})[_TRIGGER] = stamp(self._clock.now())
            obj["endpoints"], obj["ports"] = wanted["endpoints"], wanted["ports"]

        self._registry.patch(ENDPOINTSLICES, Key(metadata["namespace"], metadata["name"]), change)

    def _from_pods(self, service: Object) -> Iterator[Object]:
        groups = grouped(service, pods_of(self._views, service))
        if not groups:
            yield self._slice(service, (), [], _CONTROLLER)
        tolerate = bool(service["spec"].get("publishNotReadyAddresses"))
        for ports, views in groups.items():
            for start in range(0, len(views), _LIMIT):
                endpoints = [_endpoint(service, view, tolerate=tolerate) for view in views[start : start + _LIMIT]]
                yield self._slice(service, ports, endpoints, _CONTROLLER)

    def _from_endpoints(self, service: Object) -> Iterator[Object]:
        metadata = service["metadata"]
        endpoints = self._registry.find(ENDPOINTS, Key(metadata["namespace"], metadata["name"]))
        if endpoints is None or (endpoints["metadata"].get("labels") or {}).get(_SKIP_MIRROR) == "true":
            return
        for subset in endpoints.get("subsets") or ():
            ports = tuple(
                Port(p.get("name", ""), p["port"], p.get("protocol", "TCP"), p.get("appProtocol", ""))
                for p in subset.get("ports") or ()
            )
            found = [_mirrored(one, ready=True) for one in subset.get("addresses") or ()]
            found += [_mirrored(one, ready=False) for one in subset.get("notReadyAddresses") or ()]
            yield self._slice(service, ports, found[:_LIMIT], _MIRRORING, owner=endpoints)

    def _slice(
        self,
        service: Object,
        ports: tuple[Port, ...],
        endpoints: Sequence[Object],
        manager: str,
        owner: Object | None = None,
    ) -> Object:
        name = service["metadata"]["name"]
        labels = (service["metadata"].get("labels") or {}) | {MANAGED_BY: manager, SERVICE_NAME: name}
        if is_headless(service):
            labels["service.kubernetes.io/headless"] = ""
        return {
            "metadata": {
                "generateName": f"{name}-",
                "namespace": service["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [owner_reference(owner or service)],
            },
            "addressType": "IPv4",
            "endpoints": list(endpoints),
            "ports": [_port(port) for port in ports],
        }


def _of_slice(change: Change) -> Iterable[Key]:
    name = dict(change.stored.indexed.labels).get(SERVICE_NAME)
    return (Key(change.key.namespace, name),) if name else ()


def _port(port: Port) -> Object:
    shown: Object = {"name": port.name, "protocol": port.protocol, "port": port.number}
    return shown | ({"appProtocol": port.app_protocol} if port.app_protocol else {})


def _endpoint(service: Object, view: PodView, *, tolerate: bool) -> Object:
    endpoint: Object = {
        "addresses": [view.ip],
        "conditions": {
            "ready": tolerate or (view.ready and not view.deleting),
            "serving": view.ready,
            "terminating": view.deleting,
        },
    }
    hostname = hostname_for(service, view)
    if hostname:
        endpoint["hostname"] = hostname
    return endpoint | {"targetRef": target_ref(view), "nodeName": view.node}


def _mirrored(address: Object, *, ready: bool) -> Object:
    endpoint: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    return endpoint | {name: address[name] for name in ("hostname", "targetRef", "nodeName") if address.get(name)}
