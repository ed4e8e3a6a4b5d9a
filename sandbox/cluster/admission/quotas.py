"""ResourceQuota at the door: what would exceed one is refused."""

from __future__ import annotations

from sandbox.cluster import quota
from sandbox.cluster.api import quantity
from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.api.objects import Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_FREE = frozenset({"events", "leases.coordination.k8s.io"})


class Quotas:
    """Counts what exists at the moment of asking: nothing is reserved, so nothing can leak."""

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Raise Forbidden when a quota of the namespace does not allow one more."""
        quotas = registry.resource("resourcequotas")
        if old is not None or quotas is None or not resource.namespaced or resource.qualified in _FREE:
            return
        for one in registry.list(quotas, namespace=new["metadata"]["namespace"]):
            if quota.in_scope(one, resource, new):
                _check(registry, resource, new, one)


def _check(registry: Registry, resource: Resource, new: Object, one: Object) -> None:
    hard, name = one["spec"].get("hard") or {}, one["metadata"]["name"]
    wanted = {key: amount for key, amount in quota.usage_of(resource, new).items() if key in hard and amount}
    if resource.qualified == "pods" and (missing := quota.missing_of(new, hard)):
        listed = "; ".join(f"{key} for: {','.join(containers)}" for key, containers in missing.items())
        raise Forbidden(resource, new["metadata"].get("name", ""), f"failed quota: {name}: must specify {listed}")
    if not wanted:
        return
    used = quota.used(registry, one)
    over = sorted(key for key, amount in wanted.items() if used[key] + amount > quantity.parse(hard[key]))
    if over:
        requested = ",".join(f"{key}={quota.shown(key, wanted[key])}" for key in over)
        already = ",".join(f"{key}={quota.shown(key, used[key])}" for key in over)
        limited = ",".join(f"{key}={hard[key]}" for key in over)
        why = f"exceeded quota: {name}, requested: {requested}, used: {already}, limited: {limited}"
        raise Forbidden(resource, new["metadata"].get("name", ""), why)
