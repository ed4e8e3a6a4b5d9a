"""What a container finds on its disk: its root, the sources of its mounts, and who its user is in /etc/passwd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster.kubelet.images import StoredImage
from sandbox.cluster.kubelet.runtime import ContainerSpec, StartError
from sandbox.linux import layout, mount, rootfs, syscalls
from sandbox.linux.beneath import open_beneath


def mount_root(stored: StoredImage, directory: Path, *, read_only: bool) -> Path:
    """Mount a fresh root for the container whose files live in `directory`. Raises OSError."""
    target, upper = directory / "rootfs", directory / "upper"
    if stored.on_system:
        rootfs.mount_root(target, upper=upper, layers=stored.layers)
        if read_only:
            mount.read_only(target / "usr")  # crun makes only / itself read-only, and this is a mount of its own
    else:
        mount.overlay(target, lower=stored.layers, upper=upper, work=directory / "work")
    return target


def unmount_root(directory: Path) -> None:
    """Take the root away again; one that is gone is no error."""
    rootfs.unmount_root(directory / "rootfs")


class Mounts:
    """Takes hold of the sources of mounts, so that nobody can swap a path for a link before crun looks.

    Each is bound to a place of our own for the moment: crun cannot take a descriptor, as it works in another mount
    namespace.
    """

    def __init__(self, place: Path, *, allowed: Sequence[Path]) -> None:
        """`place` is a directory for this container alone; `allowed` are the trees that sources may lie in."""
        self._place = place
        self._allowed = allowed
        self._held: list[Path] = []

    def source(self, path: str) -> str:
        """A path to the very file or directory that `path` is now. Raises StartError when it is out of bounds."""
        wanted = Path(os.path.normpath(path))
        tree = next((tree for tree in self._allowed if wanted.is_relative_to(tree)), None)
        if tree is None:
            raise StartError(f"failed to prepare mount of {path}: it lies outside of what pods may see")
        target = self._place / str(len(self._held))
        try:
            fd = open_beneath(tree, wanted)
            try:
                mount.bind(f"/proc/self/fd/{fd}", target, recursive=True)
            finally:
                os.close(fd)
        except OSError as error:
            raise StartError(f"failed to prepare mount of {path}: {os.strerror(error.errno or 0)}") from error
        self._held.append(target)
        return str(target)

    def close(self) -> None:
        """Let them go; a container that runs keeps its own."""
        for target in self._held:
            syscalls.umount(target, syscalls.MNT_DETACH)
        self._held.clear()
        # Files and directories: no mount can be below any more, so that nothing but mount points is removed.
        shutil.rmtree(self._place, ignore_errors=True)


@dataclass(frozen=True)
class User:
    """Whom a container runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def user_of(spec: ContainerSpec, stored: StoredImage) -> User:
    """The user that securityContext or else the image names. Raises StartError for a name that does not exist."""
    security = spec.security
    name, _, group = spec.image.user.partition(":")
    if security.get("runAsUser") is not None:
        name, group = str(security["runAsUser"]), ""
    accounts = _accounts(stored)
    entry = _account(accounts, name or "0")
    if entry is None and not name.isdigit():
        raise StartError(f"unable to find user {name}: no matching entries in passwd file")
    uid, gid, home = entry or (int(name), 0, "/")
    if group:
        gid = _group(stored, group)
    if security.get("runAsGroup") is not None:
        gid = int(security["runAsGroup"])
    groups = {gid, *(int(number) for number in security.get("supplementalGroups") or ())}
    if security.get("fsGroup") is not None:
        groups.add(int(security["fsGroup"]))
    if not _many_ids():
        return User(0, 0, (), home)
    return User(uid, gid, tuple(sorted(groups)), home)


def _many_ids() -> bool:
    """Whether this sandbox has more users than its root; where it has not, everybody is root."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    return sum(int(line.split()[2]) for line in lines) > 1


def _lines(stored: StoredImage, name: str) -> Sequence[list[str]]:
    trees = (*stored.layers, layout.SYSTEM_SKELETON) if stored.on_system else stored.layers
    for tree in trees:
        path = tree / "etc" / name
        if path.is_file():
            return [line.split(":") for line in path.read_text(errors="replace").splitlines()]
    return [["root", "x", "0", "0", "root", "/root", "/bin/sh"]] if name == "passwd" else [["root", "x", "0", ""]]


def _accounts(stored: StoredImage) -> Sequence[list[str]]:
    return [fields for fields in _lines(stored, "passwd") if len(fields) >= 6 and fields[2].isdigit()]


def _account(accounts: Sequence[list[str]], name: str) -> tuple[int, int, str] | None:
    for fields in accounts:
        if name in (fields[0], fields[2]):
            return int(fields[2]), int(fields[3]), fields[5]
    return None


def _group(stored: StoredImage, name: str) -> int:
    if name.isdigit():
        return int(name)
    for fields in _lines(stored, "group"):
        if fields[0] == name and len(fields) >= 3:
            return int(fields[2])
    raise StartError(f"unable to find group {name}: no matching entries in group file")
