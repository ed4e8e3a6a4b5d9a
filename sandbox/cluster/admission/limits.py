"""LimitRange at the door: fills in what containers do not say, and refuses what is out of range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from sandbox.cluster import quota
from sandbox.cluster.api import quantity
from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.api.objects import Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_ANNOTATION = "kubernetes.io/limit-ranger"
_MIRROR = "kubernetes.io/config.mirror"


class Limits:
    """Applies every LimitRange of the namespace."""

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Complete a pod or claim that is created. Raises Forbidden."""
        ranges = registry.resource("limitranges")
        if old is not None or ranges is None or resource.qualified not in ("pods", "persistentvolumeclaims"):
            return
        items = [
            item
            for one in registry.list(ranges, namespace=new["metadata"]["namespace"])
            for item in one["spec"]["limits"]
        ]
        spec = new.get("spec")
        if not items or not isinstance(spec, dict) or _MIRROR in (new["metadata"].get("annotations") or {}):
            return
        if resource.qualified == "pods":
            _fill(new, spec, [item for item in items if item["type"] == "Container"])
            faults = [fault for item in items for fault in _pod_faults(spec, item)]
        else:
            faults = [fault for item in items for fault in _claim_faults(spec, item)]
        if faults:
            why = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise Forbidden(resource, new["metadata"].get("name", ""), why)


def _fill(pod: Object, spec: Object, items: Sequence[Object]) -> None:
    said = []
    for part, what in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(part) or ():
            resources = container["resources"] = dict(container.get("resources") or {})
            # Who says a limit only, asks for as much.
            if resources.get("limits"):
                resources["requests"] = resources["limits"] | (resources.get("requests") or {})
            for field, source, word in (("requests", "defaultRequest", "request"), ("limits", "default", "limit")):
                given = resources.get(field) or {}
                added = {k: v for item in items for k, v in (item.get(source) or {}).items() if k not in given}
                if added:
                    resources[field] = given | added
                    said.append(f"{', '.join(sorted(added))} {word} for {what} {container.get('name', '')}")
    if said:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = annotations | {_ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}


def _pod_faults(spec: Object, item: Object) -> Iterator[str]:
    if item["type"] == "Pod":
        usage = quota.usage_of_spec(spec)
        yield from _faults(item, usage["requests"], usage["limits"])
    elif item["type"] == "Container":
        for part in ("containers", "initContainers"):
            for container in spec.get(part) or ():
                requests, limits = (dict(quota.amounts(container, which)) for which in ("requests", "limits"))
                yield from _faults(item, requests, limits)


def _faults(item: Object, requests: dict[str, Decimal], limits: dict[str, Decimal]) -> Iterator[str]:
    kind = item["type"]
    for name, bound in sorted((item.get("min") or {}).items()):
        start = f"minimum {name} usage per {kind} is {quantity.canonical(bound)}"
        yield from _below(start, quantity.parse(bound), name, requests.get(name), limits.get(name))
    for name, bound in sorted((item.get("max") or {}).items()):
        start = f"maximum {name} usage per {kind} is {quantity.canonical(bound)}"
        yield from _above(start, quantity.parse(bound), name, requests.get(name), limits.get(name))
    for name, bound in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(f"{name} max limit to request ratio per {kind} is {bound}", bound, requests, limits, name)


def _below(start: str, bound: Decimal, name: str, request: Decimal | None, limit: Decimal | None) -> Iterator[str]:
    if request is None:
        yield f"{start}.  No request is specified"
    elif request < bound:
        yield f"{start}, but request is {quota.shown(name, request)}"
    elif limit is not None and limit < bound:
        yield f"{start}, but limit is {quota.shown(name, limit)}"


def _above(start: str, bound: Decimal, name: str, request: Decimal | None, limit: Decimal | None) -> Iterator[str]:
    if limit is None:
        yield f"{start}.  No limit is specified"
    elif limit > bound:
        yield f"{start}, but limit is {quota.shown(name, limit)}"
    elif request is not None and request > bound:
        yield f"{start}, but request is {quota.shown(name, request)}"


def _ratio(
    start: str, bound: object, requests: dict[str, Decimal], limits: dict[str, Decimal], name: str
) -> Iterator[str]:
    if not requests.get(name):
        yield f"{start}, but no request is specified or request is 0"
    elif not limits.get(name):
        yield f"{start}, but no limit is specified or limit is 0"
    elif limits[name] / requests[name] > quantity.parse(bound):
        yield f"{start}, but provided ratio is {limits[name] / requests[name]:f}"


def _claim_faults(spec: Object, item: Object) -> Iterator[str]:
    if item["type"] != "PersistentVolumeClaim":
        return
    requests = dict(quota.amounts(spec, "requests"))
    for which, word in (("min", "minimum"), ("max", "maximum")):
        for name, bound in sorted((item.get(which) or {}).items()):
            asked, limit = requests.get(name), quantity.parse(bound)
            start = f"{word} {name} usage per PersistentVolumeClaim is {quantity.canonical(bound)}"
            if asked is None:
                yield f"{start}.  No request is specified"
            elif (asked < limit) if which == "min" else (asked > limit):
                yield f"{start}, but request is {quota.shown(name, asked)}"
