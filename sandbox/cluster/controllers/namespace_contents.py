"""What every namespace has from the start: the service account `default` and the cluster's CA certificate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sandbox.cluster.api.errors import AlreadyExists
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.controller import Watch
from sandbox.cluster.registry import Change, Registry
from sandbox.cluster.resources.configmaps import CONFIGMAPS
from sandbox.cluster.resources.namespaces import NAMESPACES
from sandbox.cluster.resources.serviceaccounts import SERVICEACCOUNTS

ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the"
    " internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes"
    " clusters."
)


def _is_active(registry: Registry, key: Key) -> bool:
    namespace = registry.find(NAMESPACES, key)
    return namespace is not None and "deletionTimestamp" not in namespace["metadata"]


class ServiceAccountController:
    """Makes `default` in each namespace, again when it was deleted."""

    name = "serviceaccount-controller"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def watches(self) -> Sequence[Watch]:
        """Namespaces, and accounts that are gone."""
        return (Watch(NAMESPACES), Watch(SERVICEACCOUNTS, _of_gone))

    async def reconcile(self, key: Key) -> float | None:
        """Make the account, unless it exists or the namespace goes."""
        if not _is_active(self._registry, key) or self._registry.exists(SERVICEACCOUNTS, Key(key.name, "default")):
            return None
        try:
            self._registry.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, namespace=key.name)
        except AlreadyExists:
            return None
        return None


class RootCAController:
    """Keeps the CA certificate in each namespace, as it must be."""

    name = "root-ca-certificate-publisher"

    def __init__(self, registry: Registry, *, certificate: str) -> None:
        self._registry = registry
        self._certificate = certificate

    def watches(self) -> Sequence[Watch]:
        """Namespaces, and the ConfigMaps that it writes."""
        return (Watch(NAMESPACES), Watch(CONFIGMAPS, _of_root_ca))

    async def reconcile(self, key: Key) -> float | None:
        """Write the ConfigMap, or write it again."""
        if not _is_active(self._registry, key):
            return None
        wanted = {"ca.crt": self._certificate}
        current = self._registry.find(CONFIGMAPS, Key(key.name, ROOT_CA))
        if current is None:
            metadata: Object = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": _DESCRIPTION}}
            self._registry.create(CONFIGMAPS, {"metadata": metadata, "data": wanted}, namespace=key.name)
        elif current.get("data") != wanted:
            self._registry.patch(CONFIGMAPS, Key(key.name, ROOT_CA), lambda obj: obj.update(data=wanted))
        return None


def _of_gone(change: Change) -> Iterable[Key]:
    return (Key("", change.key.namespace),) if change.type == "DELETED" else ()


def _of_root_ca(change: Change) -> Iterable[Key]:
    return (Key("", change.key.namespace),) if change.key.name == ROOT_CA else ()
