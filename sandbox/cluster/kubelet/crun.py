"""Runs pods for real: crun, by way of the sandbox's starter, over overlays of the catalogue's images.

Whatever a pod spec says, this file only passes on wishes: what a container may is decided in `sandbox/linux/oci.py`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.kubelet import crun_root
from sandbox.cluster.kubelet.crun_config import config_of, identity_of
from sandbox.cluster.kubelet.crun_container import CrunContainer, Identity
from sandbox.cluster.kubelet.crun_messages import start_message
from sandbox.cluster.kubelet.images import ImageStore
from sandbox.cluster.kubelet.network import PodNetwork, etc_files, node_number
from sandbox.cluster.kubelet.runtime import ContainerSpec, Image, PodSpec, StartError
from sandbox.linux import layout, oci
from sandbox.linux.containers import ContainerError, Containers, Known, NewContainer, Resources

log = logging.getLogger(__name__)

PROCESSES = 256
"""How many processes one container may have when its pod does not say; the sandbox's own limit holds beside it."""


class CrunRuntime:
    """The pods of one cluster."""

    name = "crun"

    def __init__(
        self,
        containers: Containers,
        *,
        images: ImageStore,
        network: PodNetwork,
        pods: Path,
        sources: Sequence[Path] = (),
        node_ip: str = "192.168.49.2",
        version: str = "",
    ) -> None:
        """`pods` is a directory on the learner's tmpfs: what a pod writes lands at `<pods>/<uid>`.

        `sources` are trees that a pod's mounts may come from, beside its own directory; `node_ip` is the first node's.
        """
        self.version = version
        self.containers = containers
        self.images = images
        self.network = network
        self.pods = pods
        self._sources = tuple(sources)
        self._node_ip = ipaddress.IPv4Address(node_ip)
        self._pulled: set[str] = set()
        self._sandboxes: dict[str, CrunPod] = {}

    async def pull(self, image: str) -> Image:
        """Find the image in the catalogue: nothing is ever downloaded. Raises ImageNotFound."""
        stored = self.images.find(image)
        self._pulled.add(stored.image.id)
        return stored.image

    def cached(self, image: str) -> bool:
        """Whether the image is in the catalogue, which is on every node from the start."""
        return self.images.has(image)

    async def run(self, pod: PodSpec) -> CrunPod:
        """The pod's sandbox, made when it does not exist. Raises StartError."""
        existing = self._sandboxes.get(pod.uid)
        if existing is not None:
            return existing
        try:
            sandbox = self._make(pod)
        except OSError as error:
            self.network.remove(pod.uid)
            raise StartError(f"failed to setup network for sandbox: {error}") from error
        self._sandboxes[pod.uid] = sandbox
        return sandbox

    def _make(self, pod: PodSpec) -> CrunPod:
        directory = self.pods / pod.uid
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        if pod.host_network:
            address = str(self._node_ip + node_number(pod.node))
        else:
            address = self.network.add(pod.uid, pod.node)
        sandbox = CrunPod(self, pod, address)
        etc = directory / "etc"
        etc.mkdir(exist_ok=True)
        for name, text in etc_files(address, pod).items():
            (etc / name).write_text(text)
        (directory / "pod.json").write_text(json.dumps({"ip": address, "pod": asdict(pod)}))
        return sandbox

    async def adopt(self) -> Mapping[str, Mapping[str, CrunContainer]]:
        """Find what still runs after this process was killed, and clear away what nobody can know any more.

        Asked again, as each of several nodes does, it finds the same.
        """
        found: dict[str, dict[str, CrunContainer]] = {}
        for known in await self.containers.list():
            uid = known.labels.get("pod")
            if uid is None:
                continue
            try:
                sandbox = self._adopted(uid)
                container = sandbox.containers.get(known.labels["key"]) or CrunContainer.adopted(
                    self.containers, known, self.pods / uid, self._cleanup
                )
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("container %s cannot be adopted: %s", known.id, error)
                await self.containers.remove(known.id)
                continue
            sandbox.containers[container.key] = container
            found.setdefault(uid, {})[container.key] = container
        return found

    def _adopted(self, uid: str) -> CrunPod:
        if uid not in self._sandboxes:
            stored = json.loads((self.pods / uid / "pod.json").read_text())
            pod = PodSpec(**stored["pod"])
            if not pod.host_network:
                self.network.adopt(uid, stored["ip"])
            self._sandboxes[uid] = CrunPod(self, pod, stored["ip"])
        return self._sandboxes[uid]

    async def start(self, pod: CrunPod, spec: ContainerSpec) -> CrunContainer:
        """Create and start a container of the pod. Raises StartError."""
        identifier = secrets.token_hex(32)
        directory = pod.directory / "containers" / f"{spec.name}-{spec.attempt}"
        try:
            identity = self._prepare(spec, pod, directory)
            known = await self._start(identifier, pod, spec, identity, directory)
        except ContainerError as error:
            log.warning("container %s of pod %s/%s: %s", spec.name, pod.pod.namespace, pod.pod.name, error)
            await self._cleanup(identifier, directory)
            raise StartError(start_message(error, spec.command)) from error
        except (OSError, ValueError) as error:
            await self._cleanup(identifier, directory)
            raise StartError(f"failed to create containerd container: {error}") from error
        except StartError:
            await self._cleanup(identifier, directory)
            raise
        return CrunContainer(self.containers, known, identity, directory, self._cleanup)

    def _prepare(self, spec: ContainerSpec, pod: CrunPod, directory: Path) -> Identity:
        stored = self.images.find(spec.image.name)
        read_only = bool(spec.security.get("readOnlyRootFilesystem"))
        crun_root.mount_root(stored, directory, read_only=read_only)
        identity = identity_of(pod.pod, spec, crun_root.user_of(spec, stored))
        identity.save(directory)
        return identity

    async def _start(
        self, identifier: str, pod: CrunPod, spec: ContainerSpec, identity: Identity, directory: Path
    ) -> Known:
        mounts = crun_root.Mounts(oci.SHARED / identifier, allowed=(pod.directory, *self._sources))
        try:
            new = NewContainer(
                id=identifier,
                config=config_of(
                    pod.pod,
                    spec,
                    identity,
                    directory=directory,
                    etc=pod.directory / "etc",
                    network=self.network.namespace(pod.uid),
                    mounts=mounts,
                ),
                resources=Resources(memory=spec.memory_limit, cpus=spec.cpu_limit, processes=PROCESSES),
                log=str(pod.log_of(spec)),
                stdin=spec.stdin,
                stdin_once=spec.stdin_once,
                labels={"pod": pod.uid, "key": f"{spec.name}/{spec.attempt}"},
            )
            return await self.containers.start(new)
        finally:
            mounts.close()

    async def _cleanup(self, identifier: str, directory: Path) -> None:
        """Free everything that an ended container held but its log."""
        await self.containers.remove(identifier)
        crun_root.unmount_root(directory)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def forget(self, pod: CrunPod) -> None:
        """Free what the pod itself held."""
        self._sandboxes.pop(pod.uid, None)
        self.network.remove(pod.uid)
        await asyncio.to_thread(shutil.rmtree, pod.directory, ignore_errors=True)


async def connect(config: ClusterConfig) -> CrunRuntime:
    """The runtime of a cluster in this sandbox, its network prepared. Raises StarterGone."""
    containers = await Containers.connect(config.containers_socket or layout.STARTER_SOCKET)
    network = PodNetwork(config.data / "netns", pod_cidr=config.pod_cidr, service_cidr=config.service_cidr)
    network.prepare()
    pods = config.pods or config.data / "pods"
    pods.mkdir(parents=True, exist_ok=True)
    return CrunRuntime(
        containers,
        images=ImageStore(config.images or layout.IMAGES),
        network=network,
        pods=pods,
        sources=(config.node_root,) if config.node_root != Path("/") else (),
        node_ip=config.node_ip,
        version=await _crun_version(),
    )


async def _crun_version() -> str:
    asked = await asyncio.create_subprocess_exec(
        "crun", "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await asked.communicate()
    first = said.decode("utf-8", "replace").split("\n", 1)[0]
    return first.removeprefix("crun version ").strip() or "unknown"


class CrunPod:
    """A pod's namespaces: its network; each container has its own of the other kinds."""

    def __init__(self, runtime: CrunRuntime, pod: PodSpec, address: str) -> None:
        self.runtime = runtime
        self.pod = pod
        self.uid = pod.uid
        self.ip = address
        self.directory = runtime.pods / pod.uid
        self.containers: dict[str, CrunContainer] = {}

    def log_of(self, spec: ContainerSpec) -> Path:
        """Where the container's log goes; its directory exists."""
        directory = self.directory / "logs" / spec.name
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{spec.attempt}.log"

    async def start(self, container: ContainerSpec) -> CrunContainer:
        """Create and start a container. Raises StartError."""
        started = await self.runtime.start(self, container)
        self.containers[started.key] = started
        return started

    async def dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection to a port of the pod, on its loopback. Raises OSError."""
        if self.pod.host_network:
            return await asyncio.open_connection("127.0.0.1", port)
        connection = self.runtime.network.socket_in(self.uid)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except OSError:
            connection.close()
            raise
        return await asyncio.open_connection(sock=connection)

    async def remove(self) -> None:
        """Kill what still runs and free everything."""
        await asyncio.gather(*(container.discard() for container in self.containers.values()))
        self.containers.clear()
        await self.runtime.forget(self)
