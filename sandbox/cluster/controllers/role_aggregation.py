"""Cluster roles that are put together from others: admin, edit, view, and those of learners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.api.selectors import any_labels
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.rbac import CLUSTERROLES


class RoleAggregationController:
    """Writes into each role with an aggregationRule the rules of the roles it selects."""

    name = "clusterrole-aggregation-controller"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Any role may be a part of any other."""
        return (Watch(CLUSTERROLES, self._aggregating),)

    def _aggregating(self, _change: Change) -> Iterable[Key]:
        return tuple(
            Key("", role["metadata"]["name"])
            for role in self._registry.list(CLUSTERROLES)
            if role.get("aggregationRule")
        )

    async def reconcile(self, key: Key) -> float | None:
        """Collect the rules, those of the first roles by name first, each once."""
        role = self._registry.find(CLUSTERROLES, key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules: list[Object] = []
        for part in self._parts(role, key):
            rules += [rule for rule in part.get("rules") or () if rule not in rules]
        if rules != (role.get("rules") or []):
            self._registry.patch(CLUSTERROLES, key, lambda found: found.update(rules=rules))
        return None

    def _parts(self, role: Object, key: Key) -> Sequence[Object]:
        found: dict[str, Object] = {}
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            for one in self._registry.list(CLUSTERROLES, labels=any_labels(selector)):
                found[one["metadata"]["name"]] = one
        found.pop(key.name, None)
        return [found[name] for name in sorted(found)]
