"""The node object: registered when the kubelet starts, kept true by a lease and, seldom, by its status."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sandbox.cluster.api.clock import Clock, micro_stamp, stamp
from sandbox.cluster.api.errors import AlreadyExists
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.config import KUBERNETES_VERSION
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.leases import LEASES
from sandbox.cluster.resources.nodes import NODES

LEASE_NAMESPACE = "kube-node-lease"
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class NodeRegistration:
    """Keeps one node's object and lease."""

    def __init__(
        self,
        registry: Registry,
        *,
        name: str,
        ip: str,
        primary: bool,
        capacity: Mapping[str, str],
        runtime: str,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._name = name
        self._ip = ip
        self._primary = primary
        self._capacity = dict(capacity)
        self._runtime = runtime
        self._clock = clock
        self._key = Key("", name)

    def register(self) -> Object:
        """Make the node, or take over the one that an earlier process made; it is Ready afterwards."""
        try:
            self._registry.create(NODES, self._new())
        except AlreadyExists:
            self._registry.patch(NODES, self._key, self._relabel)
        return self.report()

    def report(self) -> Object:
        """Write the whole status, with fresh heartbeats."""
        now = self._clock.now()

        def change(node: Object) -> None:
            old = node.get("status") or {}
            node["status"] = self._status(old.get("conditions") or (), now) | {"images": old.get("images") or []}

        return self._registry.patch_status(NODES, self._key, change)

    def beat(self, *, lease_seconds: int) -> None:
        """Renew the lease; a heartbeat that costs little."""
        now = micro_stamp(self._clock.now())
        key = Key(LEASE_NAMESPACE, self._name)
        if self._registry.find(LEASES, key) is None:
            node = self._registry.find(NODES, self._key)
            owners = [] if node is None else [_owner(node)]
            lease: Object = {
                "metadata": {"name": self._name, "namespace": LEASE_NAMESPACE, "ownerReferences": owners},
                "spec": {"holderIdentity": self._name, "leaseDurationSeconds": lease_seconds, "renewTime": now},
            }
            self._registry.create(LEASES, lease, namespace=LEASE_NAMESPACE)
            return
        self._registry.patch(LEASES, key, lambda lease: lease["spec"].update(renewTime=now))

    def _new(self) -> Object:
        node: Object = {
            "metadata": {
                "name": self._name,
                "annotations": {
                    "node.alpha.kubernetes.io/ttl": "0",
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                },
            },
            "spec": {},
        }
        self._relabel(node)
        return node

    def _relabel(self, node: Object) -> None:
        arch = architecture()
        labels: dict[str, str] = {
            "beta.kubernetes.io/arch": arch,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": arch,
            "kubernetes.io/hostname": self._name,
            "kubernetes.io/os": "linux",
            "minikube.k8s.io/name": "minikube",
            "minikube.k8s.io/primary": "true" if self._primary else "false",
        }
        if self._primary:
            labels |= {
                "node-role.kubernetes.io/control-plane": "",
                "node.kubernetes.io/exclude-from-external-load-balancers": "",
            }
        node["metadata"]["labels"] = (node["metadata"].get("labels") or {}) | labels

    def _status(self, old: Sequence[Object], now: datetime) -> Object:
        before = {condition["type"]: condition for condition in old}
        return {
            "capacity": self._capacity,
            "allocatable": self._capacity,
            "conditions": [
                _condition(before.get(name), (name, status, reason, message), now)
                for name, status, reason, message in _CONDITIONS
            ],
            "addresses": [
                {"type": "InternalIP", "address": self._ip},
                {"type": "Hostname", "address": self._name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": node_info(self._name, self._runtime),
        }


def _condition(old: Object | None, wanted: tuple[str, str, str, str], now: datetime) -> Object:
    name, status, reason, message = wanted
    since = old["lastTransitionTime"] if old is not None and old.get("status") == status else stamp(now)
    return {
        "type": name,
        "status": status,
        "lastHeartbeatTime": stamp(now),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


def _owner(node: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}


def architecture() -> str:
    """The processor as Go names it."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def node_info(name: str, runtime: str) -> Object:
    """What describe shows as System Info; the identifiers are made from the name, not the host's own."""
    machine = hashlib.sha256(f"quayside {name}".encode()).hexdigest()[:32]
    return {
        "machineID": machine,
        "systemUUID": str(uuid.UUID(machine)),
        "bootID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name} {os.getpid()}")),
        "kernelVersion": platform.release(),
        "osImage": os_image(),
        "containerRuntimeVersion": runtime,
        "kubeletVersion": KUBERNETES_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": architecture(),
    }


def os_image(path: Path = Path("/etc/os-release")) -> str:
    """PRETTY_NAME of the system that containers see."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return "Linux"
    for line in lines:
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"
