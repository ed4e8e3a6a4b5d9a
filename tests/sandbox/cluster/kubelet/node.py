"""A node for tests: what the launcher would have made around the cluster, with a starter and the crun runtime."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.cluster.kubelet.crun import CrunRuntime
from sandbox.cluster.kubelet.images import ImageStore
from sandbox.cluster.kubelet.network import PodNetwork
from sandbox.cluster.kubelet.runtime import ContainerSpec, PodSpec
from sandbox.image import catalogue
from sandbox.linux import layout, mount, skeleton, starter, syscalls
from sandbox.linux.cgroup import Group
from sandbox.linux.containers import Containers

IMAGES = (
    "kubernetes-bootcamp-v1",
    "kubernetes-bootcamp-v2",
    "kubernetes-bootcamp-failing",
    "busybox",
    "debian",
    "curl",
)
BOOTCAMP = "gcr.io/google-samples/kubernetes-bootcamp:v1"


def build_images(directory: Path) -> Path:
    """Build a catalogue of what needs no download."""
    chosen = directory / "definitions"
    for name in IMAGES:
        shutil.copytree(catalogue.CATALOGUE / name, chosen / name)
    problems = catalogue.build(directory / "images", lambda _line: None, catalogue=chosen)
    assert problems == []
    return directory / "images"


def enter_root(images: Path) -> None:
    """Stand in a root that has the sandbox's trees; what the host has is still there."""
    root = Path(tempfile.mkdtemp(prefix="root-", dir=images.parent))
    mount.memory(root, size=64 << 20)
    ours = {layout.SYSTEM.name, layout.IMAGES.name}
    for entry in Path("/").iterdir():
        target = root / entry.name
        if entry.name in ours:
            continue
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        elif entry.is_dir():
            target.mkdir()
            mount.bind(entry, target, recursive=True)
    for source, name in ((Path("/usr"), layout.SYSTEM_USR), (images, layout.IMAGES)):
        target = root / name.relative_to("/")
        target.mkdir(parents=True)
        mount.bind(source, target)
        mount.read_only(target)
    os.chdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount(".", syscalls.MNT_DETACH)
    os.chdir("/")
    skeleton.build(layout.SYSTEM_SKELETON)
    layout.SYSTEM_HIDDEN.mkdir()
    layout.PODS.mkdir()


@asynccontextmanager
async def running() -> AsyncIterator[CrunRuntime]:
    """A starter, and a runtime connected to it."""
    listener = starter.listen(layout.STARTER_SOCKET)
    pid = os.fork()
    if pid == 0:
        try:
            starter.main(listener, groups={"learner": Group(), "pods": Group()}, entries={})
        finally:
            os._exit(1)
    listener.close()
    try:
        async with connected() as runtime:
            yield runtime
    finally:
        os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def connected() -> AsyncIterator[CrunRuntime]:
    """A runtime as a cluster process makes it; containers live on when it goes."""
    containers = await Containers.connect(layout.STARTER_SOCKET)
    network = PodNetwork(layout.CLUSTER / "netns")
    network.prepare()
    try:
        yield CrunRuntime(containers, images=ImageStore(layout.IMAGES), network=network, pods=layout.PODS)
    finally:
        await containers.close()


def pod(name: str, *, host_network: bool = False) -> PodSpec:
    """A pod of that name on the first node."""
    return PodSpec(
        namespace="default",
        name=name,
        uid=f"uid-{name}",
        hostname=name,
        node="minikube",
        host_network=host_network,
        nameservers=("10.96.0.10",),
        searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local"),
    )


async def container(
    runtime: CrunRuntime, image: str, *command: str, name: str = "web", attempt: int = 0, **more: object
) -> ContainerSpec:
    """A container of the image, running the command or else the image's own."""
    pulled = await runtime.pull(image)
    own: Sequence[str] = (*pulled.entrypoint, *pulled.command)
    argv = command or tuple(own)
    return ContainerSpec(name=name, attempt=attempt, image=pulled, command=tuple(argv), environment={}, **more)  # type: ignore[arg-type]
