"""The objects that every cluster has from its first moment."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.all import (
    CONFIGMAPS,
    ENDPOINTS,
    ENDPOINTSLICES,
    NAMESPACES,
    PRIORITYCLASSES,
    SERVICES,
    STORAGECLASSES,
)
from sandbox.cluster.resources.priorityclasses import SYSTEM
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.storageclasses import DEFAULT, PROVISIONER

_DESCRIPTIONS = {
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    ),
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}
_STANDARD = {
    "metadata": {
        "name": "standard",
        "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"},
        "annotations": {DEFAULT: "true"},
    },
    "provisioner": PROVISIONER,
}
NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")


def bootstrap(registry: Registry, *, service_ip: str, api_server: tuple[str, int], kubeconfig: str) -> None:
    """Create what is missing and correct what must fit this start: safe to do at every start."""
    for name in NAMES:
        _ensure(registry, NAMESPACES, {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}})
    _priorities(registry)
    _ensure(registry, STORAGECLASSES, _STANDARD)
    _service(registry, service_ip, api_server)
    _dns(registry, str(ipaddress.IPv4Address(service_ip) + 9))
    _cluster_info(registry, kubeconfig)


def _ensure(registry: Registry, resource: Resource, obj: Object, namespace: str = "") -> None:
    if not registry.exists(resource, Key(namespace, obj["metadata"]["name"])):
        registry.create(resource, obj, namespace=namespace)


def _replace(registry: Registry, resource: Resource, obj: Object, parts: Sequence[str]) -> None:
    """Create an object, or bring these of its fields to what is given."""
    name = obj["metadata"]["name"]
    key = Key("default", name)
    if registry.exists(resource, key):
        registry.patch(resource, key, lambda found: found.update({part: obj[part] for part in parts}))
    else:
        registry.create(resource, obj, namespace="default")


def _priorities(registry: Registry) -> None:
    for name, value in SYSTEM.items():
        what = _DESCRIPTIONS[name]
        _ensure(registry, PRIORITYCLASSES, {"metadata": {"name": name}, "value": value, "description": what})


def _service(registry: Registry, service_ip: str, api_server: tuple[str, int]) -> None:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    address, port = api_server
    service = {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {
            "clusterIP": service_ip,
            "clusterIPs": [service_ip],
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
    }
    _ensure(registry, SERVICES, service, "default")
    registry.patch(
        SERVICES, Key("default", "kubernetes"), lambda found: found["spec"]["ports"][0].update(targetPort=port)
    )
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    mirrored = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    endpoints = {
        "metadata": {"name": "kubernetes", "labels": mirrored},
        "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
    }
    _replace(registry, ENDPOINTS, endpoints, ("subsets",))
    endpoint_slice = {
        "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": ports,
    }
    _replace(registry, ENDPOINTSLICES, endpoint_slice, ("endpoints", "ports"))


def _dns(registry: Registry, address: str) -> None:
    """The Service under which pods find the cluster's DNS; what answers there is `sandbox.cluster.dns`."""
    ports = (("dns", "UDP", 53), ("dns-tcp", "TCP", 53), ("metrics", "TCP", 9153))
    service = {
        "metadata": {
            "name": "kube-dns",
            "labels": {
                "k8s-app": "kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        },
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "type": "ClusterIP",
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": name, "protocol": protocol, "port": port, "targetPort": port} for name, protocol, port in ports
            ],
        },
    }
    _ensure(registry, SERVICES, service, "kube-system")


def _cluster_info(registry: Registry, kubeconfig: str) -> None:
    """What `kubeadm join` would read: how to reach the cluster, without credentials."""
    obj = {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": kubeconfig}}
    key = Key("kube-public", "cluster-info")
    if registry.exists(CONFIGMAPS, key):
        registry.patch(CONFIGMAPS, key, lambda found: found.update(data=obj["data"]))
    else:
        registry.create(CONFIGMAPS, obj, namespace="kube-public")
