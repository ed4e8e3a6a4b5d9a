"""From what the kubelet wants of a container to what is asked of `sandbox/linux/oci.py`, which decides what it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.cluster.kubelet import crun_root
from sandbox.cluster.kubelet.crun_container import Identity
from sandbox.cluster.kubelet.runtime import ContainerSpec, PodSpec
from sandbox.linux import oci

Object = dict[str, Any]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def identity_of(pod: PodSpec, spec: ContainerSpec, user: crun_root.User) -> Identity:
    """As whom and in what surroundings its processes run."""
    environment = {"PATH": DEFAULT_PATH, "HOSTNAME": pod.hostname}
    environment |= dict(entry.split("=", 1) for entry in spec.image.environment if "=" in entry)
    if spec.tty:
        environment.setdefault("TERM", "xterm")
    environment |= spec.environment
    environment.setdefault("HOME", user.home)
    return Identity(
        environment=environment,
        cwd=spec.working_dir or spec.image.working_dir or "/",
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
        capabilities=_capabilities(spec.security.get("capabilities") or {}),
        tty=spec.tty,
    )


def _capabilities(wishes: Object) -> tuple[str, ...]:
    """Docker's set less `drop` plus `add`, as Docker reads them; `oci` leaves out what is beyond that set."""

    def plain(names: Sequence[str]) -> list[str]:
        return [name.upper().removeprefix("CAP_") for name in names]

    add, drop = plain(wishes.get("add") or ()), plain(wishes.get("drop") or ())
    kept = () if "ALL" in drop else tuple(name for name in oci.CAPABILITIES if name not in drop)
    if "ALL" in add:
        return tuple(name for name in oci.CAPABILITIES if name not in drop)
    return (*kept, *(name for name in add if name not in kept))


def config_of(
    pod: PodSpec,
    spec: ContainerSpec,
    identity: Identity,
    *,
    directory: Path,
    etc: Path,
    network: Path,
    mounts: crun_root.Mounts,
) -> oci.ContainerConfig:
    """The container's configuration; its root is mounted at `<directory>/rootfs`. Raises StartError."""
    bound = [oci.Mount(mounts.source(m.source), m.target, m.read_only) for m in spec.mounts]
    taken = {mount.target for mount in bound}
    for name in ("hosts", "hostname", "resolv.conf"):
        if f"/etc/{name}" not in taken:
            bound.append(oci.Mount(mounts.source(str(etc / name)), f"/etc/{name}"))
    namespaces: dict[Any, str] = {}
    if not pod.host_network:
        namespaces["network"] = str(network)
    return oci.ContainerConfig(
        rootfs=str(directory / "rootfs"),
        process=replace(identity.process(spec.command), tty=spec.tty),
        hostname=pod.hostname,
        mounts=bound,
        read_only_root=bool(spec.security.get("readOnlyRootFilesystem")),
        namespaces=namespaces,
    )
