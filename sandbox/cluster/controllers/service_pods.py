"""What the endpoints controllers share: which Services a change concerns, and which ports a pod answers for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.api.selectors import from_map
from sandbox.cluster.controllers.pod_views import PodView, PodViews
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.services import SERVICES


@dataclass(frozen=True, slots=True)
class Port:
    """One port of an endpoint."""

    name: str
    number: int
    protocol: str
    app_protocol: str = ""


def services_of(registry: Registry, change: Change) -> Iterable[Key]:
    """The Services that select a pod, as it is or as it was."""
    before = change.stored_before
    labels = [dict(stored.indexed.labels) for stored in (change.stored, before) if stored is not None]
    for service in registry.list(SERVICES, namespace=change.key.namespace):
        selector = from_map(service["spec"].get("selector"))
        if any(selector.matches(one) for one in labels):
            yield Key(change.key.namespace, service["metadata"]["name"])


def pods_of(views: PodViews, service: Object) -> list[PodView]:
    """The pods that a Service selects and that have an address and have not ended."""
    selector = from_map(service["spec"].get("selector"))
    found = views.in_namespace(service["metadata"]["namespace"])
    return [v for v in found if v.ip and v.phase not in ("Succeeded", "Failed") and selector.matches(v.labels)]


def ports_of(service: Object, view: PodView) -> tuple[Port, ...]:
    """The pod's ports behind the Service's; one whose name the pod does not know is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = _target(port, view)
        if number is not None:
            protocol = port.get("protocol", "TCP")
            ports.append(Port(port.get("name", ""), number, protocol, port.get("appProtocol", "")))
    return tuple(ports)


def _target(port: Object, view: PodView) -> int | None:
    target: int | str = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target or int(port["port"])
    for name, number, protocol in view.ports:
        if name == target and protocol == port.get("protocol", "TCP"):
            return number
    return int(target) if str(target).isdigit() else None


def target_ref(view: PodView) -> Object:
    """How an endpoint names its pod."""
    return {"kind": "Pod", "namespace": view.key.namespace, "name": view.key.name, "uid": view.uid}


def hostname_for(service: Object, view: PodView) -> str:
    """The name under which a headless Service publishes the pod."""
    matches = view.hostname and view.subdomain == service["metadata"]["name"]
    return view.hostname if matches else ""


def is_headless(service: Object) -> bool:
    """Whether the Service has no address of its own."""
    return bool(service["spec"].get("clusterIP") == "None")


def has_selector(service: Object) -> bool:
    """Whether its endpoints are ours to write."""
    return bool(service["spec"].get("selector")) and service["spec"].get("type") != "ExternalName"


def grouped(service: Object, pods: Sequence[PodView]) -> dict[tuple[Port, ...], list[PodView]]:
    """Pods by the ports that they answer."""
    groups: dict[tuple[Port, ...], list[PodView]] = {}
    for view in pods:
        ports = ports_of(service, view)
        if ports or is_headless(service):
            groups.setdefault(ports, []).append(view)
    return groups
