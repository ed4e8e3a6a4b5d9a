"""What objects count for against a ResourceQuota: one arithmetic for admission and for the status that people read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from sandbox.cluster.api import quantity
from sandbox.cluster.api.objects import Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.pod_defaults import quality_of_service
from sandbox.cluster.resources.resource import Resource

Usage = dict[str, Decimal]

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_ONE = Decimal(1)
_COUNTED = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    }
)


def usage_of(resource: Resource, obj: Object) -> Usage:
    """What one object takes, by the names that quotas use."""
    usage: Usage = {f"count/{resource.qualified}": _ONE}
    if resource.qualified in _COUNTED:
        usage[resource.qualified] = _ONE
    match resource.qualified:
        case "pods":
            usage |= _of_pod(obj)
        case "services":
            usage |= _of_service(obj.get("spec") or {})
        case "persistentvolumeclaims":
            usage |= _of_claim(obj.get("spec") or {})
    return usage


def _of_pod(pod: Object) -> Usage:
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    usage: Usage = {"pods": _ONE}
    for part, found in usage_of_spec(pod.get("spec") or {}).items():
        for name, amount in found.items():
            usage[f"{part}.{name}"] = amount
            if part == "requests" and name in _COMPUTE:
                usage[name] = amount
    return usage


def usage_of_spec(spec: Object) -> dict[str, Usage]:
    """Requests and limits of a pod: its containers together, or its greediest init container if that is more."""
    return {part: _together(spec, part) for part in ("requests", "limits")}


def _together(spec: Object, part: str) -> Usage:
    together: Usage = {}
    for container in spec.get("containers") or ():
        for name, value in amounts(container, part):
            together[name] = together.get(name, Decimal(0)) + value
    for container in spec.get("initContainers") or ():
        for name, value in amounts(container, part):
            together[name] = max(together.get(name, Decimal(0)), value)
    return together


def amounts(container: Object, part: str) -> Iterable[tuple[str, Decimal]]:
    """The requests or limits of a container."""
    for name, value in ((container.get("resources") or {}).get(part) or {}).items():
        try:
            yield name, quantity.parse(value)
        except quantity.QuantityError:
            continue


def _of_service(spec: Object) -> Usage:
    kind, ports = spec.get("type"), Decimal(len(spec.get("ports") or ()))
    if kind == "LoadBalancer":
        return {"services.loadbalancers": _ONE, "services.nodeports": ports}
    return {"services.nodeports": ports} if kind == "NodePort" else {}


def _of_claim(spec: Object) -> Usage:
    usage: Usage = {}
    for name, amount in amounts(spec, "requests"):
        usage[f"requests.{name}"] = amount
    if spec.get("storageClassName"):
        prefix = f"{spec['storageClassName']}.storageclass.storage.k8s.io"
        usage[f"{prefix}/persistentvolumeclaims"] = _ONE
        usage[f"{prefix}/requests.storage"] = usage.get("requests.storage", Decimal(0))
    return usage


def missing_of(pod: Object, hard: Iterable[str]) -> dict[str, list[str]]:
    """Compute resources of a quota that containers say nothing about, with those containers' names."""
    missing: dict[str, list[str]] = {}
    for name in sorted(hard):
        part, _, resource = name.rpartition(".")
        if resource not in _COMPUTE or part not in ("", "requests", "limits"):
            continue
        for container in (pod.get("spec") or {}).get("containers") or ():
            if resource not in dict(amounts(container, part or "requests")):
                missing.setdefault(name, []).append(str(container.get("name", "")))
    return missing


def in_scope(quota: Object, resource: Resource, obj: Object) -> bool:
    """Whether an object is among those that a quota is about."""
    spec = quota["spec"]
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    if not terms:
        return True
    return resource.qualified == "pods" and all(_matches(term, obj) for term in terms)


def _matches(term: Object, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    match term.get("scopeName"):
        case "BestEffort":
            return quality_of_service(pod) == "BestEffort"
        case "NotBestEffort":
            return quality_of_service(pod) != "BestEffort"
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "PriorityClass":
            return _class_matches(term, spec.get("priorityClassName") or "")
    return False


def _class_matches(term: Object, name: str) -> bool:
    values = term.get("values") or ()
    match term.get("operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def used(registry: Registry, quota: Object) -> Usage:
    """What a namespace has of everything that its quota limits."""
    hard, namespace = quota["spec"].get("hard") or {}, quota["metadata"]["namespace"]
    total: Usage = {name: Decimal(0) for name in hard}
    for resource in registry.resources():
        if not resource.namespaced or not _concerns(resource, hard):
            continue
        for obj in registry.list(resource, namespace=namespace):
            if not in_scope(quota, resource, obj):
                continue
            for name, amount in usage_of(resource, obj).items():
                if name in total:
                    total[name] += amount
    return total


def _concerns(resource: Resource, hard: Object) -> bool:
    if f"count/{resource.qualified}" in hard or resource.qualified in hard:
        return True
    match resource.qualified:
        case "pods":
            return any(name.rpartition(".")[2] in _COMPUTE or name.startswith("requests.") for name in hard)
        case "services":
            return any(name.startswith("services.") for name in hard)
        case "persistentvolumeclaims":
            return any("storage" in name for name in hard)
    return False


def shown(name: str, amount: Decimal) -> str:
    """An amount as quotas show it: bytes in powers of two, the rest in powers of ten."""
    binary = name.rpartition(".")[2] in ("memory", "ephemeral-storage", "storage") and amount == int(amount)
    if binary and amount:
        return quantity.canonical(f"{int(amount) // 1024}Ki" if int(amount) % 1024 == 0 else str(int(amount)))
    return quantity.canonical(f"{amount:f}")
