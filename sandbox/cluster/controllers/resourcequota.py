"""The status of ResourceQuotas: what is used of them now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster import quota
from sandbox.cluster.api.objects import Key
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.resourcequotas import RESOURCEQUOTAS


class ResourceQuotaController:
    """Counts again whenever something in a namespace with quotas changes."""

    name = "resourcequota-controller"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Everything that a quota can count."""
        counted = [one for one in self._registry.resources() if one.namespaced and one.plural not in _UNCOUNTED]
        return (Watch(RESOURCEQUOTAS), *(Watch(one, self._quotas) for one in counted))

    def _quotas(self, change: Change) -> Iterable[Key]:
        found = self._registry.list_stored(RESOURCEQUOTAS, namespace=change.key.namespace)
        return tuple(stored.key for stored in found)

    async def reconcile(self, key: Key) -> float | None:
        """Write what is used."""
        found = self._registry.find(RESOURCEQUOTAS, key)
        if found is None or "deletionTimestamp" in found["metadata"]:
            return None
        hard = found["spec"].get("hard") or {}
        amounts = quota.used(self._registry, found)
        used = {name: quota.shown(name, amounts[name]) for name in sorted(hard)}
        self._registry.patch_status(
            RESOURCEQUOTAS, key, lambda obj: obj.update(status={"hard": hard, "used": used} if hard else {})
        )
        return None


_UNCOUNTED = frozenset({"events", "leases", "resourcequotas"})
