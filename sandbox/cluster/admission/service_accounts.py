"""Pods get a service account and its token: what ServiceAccount admission does."""

from __future__ import annotations

import random

from sandbox.cluster.api.errors import Forbidden
from sandbox.cluster.api.names import suffix
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.resource import Resource

_MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_MIRROR = "kubernetes.io/config.mirror"


class ServiceAccounts:
    """Fills in the account `default`, refuses accounts that do not exist, and mounts the token."""

    def __init__(self, *, chance: random.Random) -> None:
        self._chance = chance

    def admit(self, registry: Registry, resource: Resource, new: Object, old: Object | None) -> None:
        """Complete a pod that is created. Raises Forbidden."""
        if resource.qualified != "pods" or old is not None or _MIRROR in (new["metadata"].get("annotations") or {}):
            return
        spec = new.get("spec")
        accounts = registry.resource("serviceaccounts")
        if not isinstance(spec, dict) or accounts is None:
            return
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        namespace = new["metadata"]["namespace"]
        account = registry.find(accounts, Key(namespace, name))
        if account is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise Forbidden(resource, new["metadata"].get("name", ""), why)
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = account.get("automountServiceAccountToken", True)
        if wanted:
            self._mount(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]

    def _mount(self, spec: Object) -> None:
        containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        missing = [one for one in containers if isinstance(one, dict) and not _has_mount(one)]
        if not missing:
            return
        volume = f"kube-api-access-{suffix(self._chance)}"
        mount = {"name": volume, "readOnly": True, "mountPath": _MOUNT_PATH}
        for container in missing:
            container["volumeMounts"] = [*(container.get("volumeMounts") or ()), dict(mount)]
        spec["volumes"] = [*(spec.get("volumes") or ()), _volume(volume)]


def _has_mount(container: Object) -> bool:
    return any(mount.get("mountPath") == _MOUNT_PATH for mount in container.get("volumeMounts") or ())


def _volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }
