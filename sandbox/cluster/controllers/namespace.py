"""Namespaces that are being deleted: everything in them goes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.pods import PODS

_AGAIN = 0.5
"""Seconds after which contents that only go slowly (finalizers) are looked at again."""


class NamespaceController:
    """Empties namespaces and lets them go."""

    name = "namespace-controller"

    def __init__(self, registry: Registry, *, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def watches(self) -> Sequence[Watch]:
        """Namespaces, and pods that are gone: they take the longest."""
        return (Watch(NAMESPACES), Watch(PODS, _of_gone))

    async def reconcile(self, key: Key) -> float | None:
        """Delete the contents of a terminating namespace; once nothing remains, the namespace."""
        namespace = self._registry.find(NAMESPACES, key)
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return None
        remaining = self._empty(key.name)
        self._report(key, remaining)
        if remaining:
            return _AGAIN
        self._registry.amend(NAMESPACES, key, lambda obj: obj["spec"].pop("finalizers", None))
        return None

    def _empty(self, namespace: str) -> dict[str, list[Object]]:
        """Delete what can be deleted; what remains, by resource."""
        remaining = {}
        for resource in self._registry.resources():
            if not resource.namespaced or "delete" not in resource.verbs:
                continue
            for obj in self._registry.list(resource, namespace=namespace):
                if "deletionTimestamp" in obj["metadata"]:
                    continue
                try:
                    self._registry.delete(resource, Key(namespace, obj["metadata"]["name"]), propagation="Background")
                except NotFound:
                    continue
            left = self._registry.list(resource, namespace=namespace)
            if left:
                remaining[resource.qualified] = list(left)
        return remaining

    def _report(self, key: Key, remaining: dict[str, list[Object]]) -> None:
        now = stamp(self._clock.now())

        def change(namespace: Object) -> None:
            status = namespace.setdefault("status", {})
            status["phase"] = "Terminating"
            old = {one["type"]: one for one in status.get("conditions") or ()}
            status["conditions"] = [
                _condition(old.get(name), (name, *rest), now) for name, *rest in _verdicts(remaining)
            ]

        self._registry.patch_status(NAMESPACES, key, change)


def _of_gone(change: Change) -> Iterable[Key]:
    return (Key("", change.key.namespace),) if change.type == "DELETED" else ()


def _verdicts(remaining: dict[str, list[Object]]) -> Iterable[tuple[str, str, str, str]]:
    yield (
        "NamespaceDeletionDiscoveryFailure",
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    )
    yield (
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    )
    yield (
        "NamespaceDeletionContentFailure",
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    )
    if remaining:
        counts = ", ".join(
            f"{name}. has {len(objects)} resource instances" for name, objects in sorted(remaining.items())
        )
        yield ("NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {counts}")
    else:
        yield ("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed")
    finalizers: dict[str, int] = {}
    for objects in remaining.values():
        for obj in objects:
            for name in obj["metadata"].get("finalizers") or ():
                finalizers[name] = finalizers.get(name, 0) + 1
    if finalizers:
        counts = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {counts}"
        yield ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message)
    else:
        message = "All content-preserving finalizers finished"
        yield ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", message)


def _condition(old: Object | None, wanted: tuple[str, ...], now: str) -> Object:
    name, status, reason, message = wanted
    since = old["lastTransitionTime"] if old is not None and old["status"] == status else now
    return {"type": name, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
