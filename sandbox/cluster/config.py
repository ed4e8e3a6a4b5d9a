"""What a cluster is told when it starts."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES_VERSION = "v1.33.1"


@dataclass(frozen=True)
class ClusterConfig:
    """Everything that differs between two clusters; values arrive here and nowhere else."""

    data: Path
    """Store, keys, kubeconfig and socket live here; made when missing."""
    listen: tuple[str, int] = ("127.0.0.1", 8443)
    """Address of the HTTPS server; port 0 takes a free one."""
    listener: socket.socket | None = None
    """A listening socket made beforehand (outside the network namespace), instead of `listen`."""
    unix_socket: Path | None = None
    """Plain HTTP for our own processes, as cluster admin; None: `data/apiserver.sock`."""
    kubeconfig: Path | None = None
    """Renamed into place once the server listens; None: `data/kubeconfig`."""
    server: str = ""
    """URL in the kubeconfig; empty: made from the listening address."""
    runtime: str = "simulated"
    """crun or simulated."""
    nodes: tuple[int, ...] = (1,)
    """The numbers of the nodes that run at the start."""
    addons: frozenset[str] = frozenset()
    """What runs besides the core at the start: `metrics-server`."""
    node_grace: float = 12.0
    """Seconds without a heartbeat after which a node is NotReady; Kubernetes takes 50."""
    eviction_seconds: float = 30.0
    """How long a pod that says nothing else stays on a node that does not answer; Kubernetes: the 300 it says."""
    node_name: str = "minikube"
    """The first node; the others are `<name>-m02`, `-m03`, …"""
    node_ip: str = "192.168.49.2"
    """Of the first node; the others follow."""
    pod_cidr: str = "10.244.0.0/16"
    """Each node gets a /24 of it."""
    service_cidr: str = "10.96.0.0/12"
    node_ports: tuple[int, int] = (30000, 32767)
    images: Path | None = None
    """The catalogue of unpacked images, for crun."""
    pods: Path | None = None
    """Where pods' files live, for crun (the learner's sized tmpfs); None: `data/pods`."""
    containers_socket: Path | None = None
    """The starter's socket, for crun."""
    node_root: Path = Path("/")
    """The node's own tree as learners see it: what hostPath volumes mean."""
    capacity: Mapping[str, str] = field(
        default_factory=lambda: {"cpu": "2", "memory": "4026532Ki", "ephemeral-storage": "20Gi", "pods": "110"}
    )
    """What each node says it has."""
    on_ready: Callable[[str], None] | None = None
    """Told the kubeconfig once the server listens, when it cannot be written where it is wanted."""
    keep_containers: bool = False
    """Leave pods' containers alone at the end, for the next process to adopt."""

    @property
    def store(self) -> Path:
        """The database."""
        return self.data / "store.sqlite"

    @property
    def logs(self) -> Path:
        """What the parts of the control plane write down."""
        return self.data / "logs"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.data / "pki"

    @property
    def socket_path(self) -> Path:
        """Where our own processes reach the API."""
        return self.unix_socket or self.data / "apiserver.sock"

    @property
    def kubeconfig_path(self) -> Path:
        """Where the admin's kubeconfig is put."""
        return self.kubeconfig or self.data / "kubeconfig"
