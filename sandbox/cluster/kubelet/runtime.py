"""The seam between the kubelet and whatever runs containers: crun for real, or a simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sandbox.cluster.api.objects import Object


class ImageNotFound(Exception):
    """No such image; the message is the one Kubernetes shows for ErrImagePull."""


class StartError(Exception):
    """The container could not be started; the message is the one Kubernetes shows for RunContainerError."""


@dataclass(frozen=True)
class Image:
    """A pulled image."""

    name: str
    """Canonical, with registry and tag."""
    id: str
    """sha256:…"""
    digest: str
    """name@sha256:…, what containerStatuses shows as imageID."""
    size: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    working_dir: str = "/"
    user: str = ""
    seconds_to_pull: float = 0.0


@dataclass(frozen=True)
class Mount:
    """A directory or file that the kubelet prepared, to be seen inside the container."""

    source: str
    """Path on the node (as the kubelet's process sees it)."""
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """One container of a pod, with everything resolved: no ConfigMap is read below this line."""

    name: str
    attempt: int
    """How many times it has been started before: 0 for the first."""
    image: Image
    command: tuple[str, ...]
    """Full argv: entrypoint and arguments."""
    environment: Mapping[str, str]
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    """Whether its input ends with the first attachment."""
    memory_limit: int | None = None
    """Bytes."""
    cpu_limit: float | None = None
    """Cores."""
    security: Object = field(default_factory=dict)
    """The merged securityContext of pod and container."""


@dataclass(frozen=True)
class PodSpec:
    """What the runtime needs to know to make a pod's sandbox: its namespaces and its address."""

    namespace: str
    name: str
    uid: str
    hostname: str
    node: str
    host_network: bool = False
    full_name: str = ""
    """Its name in DNS, of a pod with a subdomain."""
    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Extra lines of /etc/hosts: address → names."""
    nameservers: Sequence[str] = ()
    searches: Sequence[str] = ()


@dataclass(frozen=True)
class Exit:
    """How a container ended."""

    code: int
    """Exit code; 128 + signal when killed by one."""
    oom_killed: bool
    started_at: float
    finished_at: float


@dataclass(frozen=True)
class Usage:
    """What a container uses now."""

    cpu_nanoseconds: int
    memory_bytes: int


class Process(Protocol):
    """A running exec or attach session. Streams that were not asked for are None."""

    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None
    """With a tty: everything."""
    stderr: asyncio.StreamReader | None

    async def wait(self) -> int:
        """Its exit code."""

    def resize(self, columns: int, rows: int) -> None:
        """Tell the tty its size; nothing without a tty."""

    async def close(self) -> None:
        """End the session (an exec's process is killed; an attached container lives on)."""


class Container(Protocol):
    """A started container."""

    id: str
    """64 hexadecimal digits."""
    log: str
    """Path of its log in CRI format: `<RFC3339Nano> stdout|stderr F|P <line>`; rotated log has suffix `.1`."""

    async def wait(self) -> Exit:
        """How it ended; may be called often and after the end."""

    def kill(self, signal: int) -> None:
        """Send a signal to its first process; nothing when it has ended."""

    async def exec(self, command: Sequence[str], *, stdin: bool, tty: bool) -> Process:
        """Run a command inside. Raises StartError."""

    async def attach(self, *, stdin: bool) -> Process:
        """Join the container's own streams."""

    def usage(self) -> Usage | None:
        """Its use now, or None when it has ended."""


class PodSandbox(Protocol):
    """A pod's namespaces, shared by its containers."""

    uid: str
    ip: str

    async def start(self, container: ContainerSpec) -> Container:
        """Create and start a container. Raises StartError."""

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection to a port of the pod, on its loopback. Raises OSError."""

    async def remove(self) -> None:
        """Kill what still runs and free everything; removing twice is no error."""


class ContainerRuntime(Protocol):
    """Runs pods. `adopt` lets a restarted cluster process find what still runs."""

    name: str
    version: str

    async def pull(self, image: str) -> Image:
        """Make the image available. Raises ImageNotFound."""

    def cached(self, image: str) -> bool:
        """Whether `pull` would have nothing to do (`Container image … already present on machine`)."""

    async def run(self, pod: PodSpec) -> PodSandbox:
        """Make the namespaces of the pod and its address; one that runs is returned as it is. Raises StartError."""

    async def adopt(self) -> Mapping[str, Mapping[str, Container]]:
        """Pods by uid whose containers survived, each with its containers by `name/attempt`."""
