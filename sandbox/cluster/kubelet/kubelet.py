"""The node's agent: registers the node, and runs a worker for each pod that is bound to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cluster.api.clock import Clock
from sandbox.cluster.kubelet.runtime import Container, ContainerRuntime, PodSandbox
from sandbox.cluster.registry import Registry


class ContainerNotFound(LookupError):
    """No such running container; the message is the kubelet's own: `container not found ("web")`."""


class LogUnavailable(Exception):
    """There is no log to read (HTTP 400); the message is the kubelet's own."""


@dataclass(frozen=True)
class LogOptions:
    """The query of the `log` subresource."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: float | None = None
    """Epoch seconds: nothing older."""


TokenIssuer = Callable[[str, str, str, int, str, str], str]
"""(namespace, service account, audience or "", seconds it lives, pod name, pod uid) → a token."""


@dataclass(frozen=True)
class KubeletConfig:
    """What a kubelet must know of its node."""

    node: str
    ip: str
    pods_dir: Path
    """Where volumes and etc files of pods live: `<pods_dir>/<uid>/…`; on the learner's tmpfs."""
    node_root: Path
    """The node's own tree as the learner sees it; hostPath resolves inside it and never above."""
    primary: bool = True
    """The control plane node: gets the label and kube-system's mirror pods."""
    capacity: dict[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "4026532Ki", "pods": "110"})
    cluster_dns: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    api_server: tuple[str, int] = ("192.168.49.2", 8443)
    back_off_start: float = 10.0
    back_off_max: float = 300.0
    back_off_reset: float = 600.0
    lease_seconds: int = 40
    heartbeat_seconds: float = 10.0


class Kubelet:
    """Runs the pods of one node."""

    def __init__(
        self,
        registry: Registry,
        runtime: ContainerRuntime,
        *,
        config: KubeletConfig,
        clock: Clock,
        issue_token: TokenIssuer,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> None:
        """Register the node and run its pods until cancelled; containers live on (see `ContainerRuntime.adopt`)."""

    async def stop_all(self) -> None:
        """End every container of the node at once, as a power cut would (`minikube node stop`)."""

    def container(self, namespace: str, pod: str, container: str) -> Container:
        """A running container. Raises ContainerNotFound."""
        raise NotImplementedError

    def pod(self, namespace: str, pod: str) -> PodSandbox:
        """A pod's sandbox, for port-forward and proxy. Raises ContainerNotFound."""
        raise NotImplementedError

    def logs(self, namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Pieces of a container's log, in order. Raises LogUnavailable before the first piece."""
        raise NotImplementedError
