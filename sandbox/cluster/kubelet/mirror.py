"""Mirror pods: kube-system as a minikube shows it, for what runs inside the cluster's own process.

They are objects without containers. Each says in an annotation what really does its work here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.cluster.api.clock import stamp
from sandbox.cluster.api.errors import ApiError
from sandbox.cluster.api.names import ALPHABET
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.config import KUBERNETES_VERSION
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.pods import PODS

NAMESPACE = "kube-system"
MIRROR = "kubernetes.io/config.mirror"
TRUTH = "quayside/runs-as"


@dataclass(frozen=True)
class Component:
    """One part of the control plane, as a pod."""

    name: str
    image: str
    truth: str
    labels: dict[str, str] = field(default_factory=dict)
    container: str = ""
    everywhere: bool = False
    """On every node, not only on the first."""


def _static(name: str, image: str, truth: str) -> Component:
    return Component(f"{name}-{{node}}", image, truth, {"component": name, "tier": "control-plane"}, name)


_INSIDE = "a part of Quayside's cluster process, not a container"
COMPONENTS = (
    _static("etcd", "registry.k8s.io/etcd:3.5.21-0", f"sandbox.cluster.store (SQLite), {_INSIDE}"),
    _static(
        "kube-apiserver",
        f"registry.k8s.io/kube-apiserver:{KUBERNETES_VERSION}",
        f"sandbox.cluster.apiserver, {_INSIDE}",
    ),
    _static(
        "kube-controller-manager",
        f"registry.k8s.io/kube-controller-manager:{KUBERNETES_VERSION}",
        f"sandbox.cluster.controllers, {_INSIDE}",
    ),
    _static(
        "kube-scheduler",
        f"registry.k8s.io/kube-scheduler:{KUBERNETES_VERSION}",
        f"sandbox.cluster.scheduler, {_INSIDE}",
    ),
    Component(
        "kube-proxy-{suffix}",
        f"registry.k8s.io/kube-proxy:{KUBERNETES_VERSION}",
        f"sandbox.cluster.proxy (nftables), {_INSIDE}",
        {"k8s-app": "kube-proxy", "controller-revision-hash": "7b75d89869", "pod-template-generation": "1"},
        "kube-proxy",
        everywhere=True,
    ),
    Component(
        "coredns-674b8bbfcf-{suffix}",
        "registry.k8s.io/coredns/coredns:v1.12.0",
        f"sandbox.cluster.dns, {_INSIDE}",
        {"k8s-app": "kube-dns", "pod-template-hash": "674b8bbfcf"},
        "coredns",
    ),
)


class MirrorPods:
    """Keeps the mirror pods of one node."""

    def __init__(
        self,
        registry: Registry,
        *,
        node: str,
        ip: str,
        primary: bool,
        components: Sequence[Component] = COMPONENTS,
    ) -> None:
        self._registry = registry
        self._node = node
        self._ip = ip
        self._components = [one for one in components if primary or one.everywhere]

    def places(self) -> Sequence[Key]:
        """Where the pods are, or would be."""
        return [Key(NAMESPACE, self._name(component)) for component in self._components]

    def restore(self, node: Object, now: datetime) -> None:
        """Make those that are missing, and let go of those that were deleted."""
        for component in self._components:
            key = Key(NAMESPACE, self._name(component))
            pod = self._registry.find(PODS, key)
            if pod is not None and "deletionTimestamp" in pod["metadata"]:
                self._registry.delete(PODS, key, grace=0)
                pod = None
            if pod is None:
                self._create(component, node, now)

    def _create(self, component: Component, node: Object, now: datetime) -> None:
        try:
            created = self._registry.create(PODS, self._pod(component, node), namespace=NAMESPACE)
        except ApiError:
            return  # kube-system is not there yet, or is going
        key = Key(NAMESPACE, created["metadata"]["name"])
        self._registry.patch_status(PODS, key, lambda pod: pod.update(status=self._status(pod, component, now)))

    def _name(self, component: Component) -> str:
        seed = hashlib.sha256(f"{component.name} {self._node}".encode()).digest()
        suffix = "".join(ALPHABET[byte % len(ALPHABET)] for byte in seed[:5])
        return component.name.format(node=self._node, suffix=suffix)

    def _pod(self, component: Component, node: Object) -> Object:
        name = self._name(component)
        digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        return {
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": component.labels,
                "annotations": {
                    "kubernetes.io/config.hash": digest,
                    MIRROR: digest,
                    "kubernetes.io/config.source": "file",
                    TRUTH: component.truth,
                },
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": self._node,
                        "uid": node["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": {
                "containers": [{"name": component.container, "image": component.image}],
                "nodeName": self._node,
                "hostNetwork": True,
                "priorityClassName": "system-node-critical",
                "enableServiceLinks": True,
                "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
            },
        }

    def _status(self, pod: Object, component: Component, now: datetime) -> Object:
        at = stamp(now)
        conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        identifier = hashlib.sha256(f"{pod['metadata']['uid']}".encode()).hexdigest()
        return {
            "phase": "Running",
            "conditions": [
                {"type": name, "status": "True", "lastProbeTime": None, "lastTransitionTime": at} for name in conditions
            ],
            "hostIP": self._ip,
            "hostIPs": [{"ip": self._ip}],
            "podIP": self._ip,
            "podIPs": [{"ip": self._ip}],
            "startTime": at,
            "containerStatuses": [
                {
                    "name": component.container,
                    "state": {"running": {"startedAt": at}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": component.image,
                    "imageID": "",
                    "containerID": f"quayside://{identifier}",
                    "started": True,
                }
            ],
            "qosClass": "BestEffort",
        }


def is_mirror(pod: Object) -> bool:
    """Whether no container stands behind the pod."""
    return MIRROR in (pod["metadata"].get("annotations") or {})
