"""Who is who: the ranges of user ids that sandboxes get, and views of the host's files in which root owns them."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.linux import syscalls
from sandbox.linux.layout import IdMode

RANGE = 65536
FIRST_BASE = 0x7800_0000
"""Above what systemd, Docker and /etc/subuid hand out, below 2³¹: some programs still hold ids in signed integers."""

MOST_RANGES = 1024

# What the kernel says when it, or the file system that /usr lies on, has no idmapped mounts.
_NO_IDMAP = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP)


class NoIds(OSError):
    """The host does not let us give a sandbox user ids."""


class IdMapping(Protocol):
    """One way to give a sandbox its user ids."""

    @property
    def mode(self) -> IdMode:
        """Whether all ids of a small system exist inside, or one."""

    def owner(self, slot: int) -> int:
        """The host's user id that root is in the sandbox of this slot."""

    def write(self, pid: int, slot: int) -> None:
        """Map the ids of a fresh user namespace. Raises OSError."""


@dataclass(frozen=True)
class OwnRange:
    """We are root: every sandbox gets a range that nobody else on the host has."""

    first: int = FIRST_BASE
    ranges: int = MOST_RANGES
    mode: IdMode = "range"

    def owner(self, slot: int) -> int:
        return self.first + (slot % self.ranges) * RANGE

    def write(self, pid: int, slot: int) -> None:
        base = self.owner(slot)
        if base < RANGE:
            raise NoIds(errno.EPERM, "a sandbox's root must never be the host's root")
        for kind in ("uid", "gid"):
            Path(f"/proc/{pid}/{kind}_map").write_text(f"0 {base} {RANGE}")


@dataclass(frozen=True)
class SubordinateRange:
    """We are an ordinary user with lines in /etc/subuid and /etc/subgid; the set-uid newuidmap writes the maps."""

    uids: int
    gids: int
    ranges: int = 1
    mode: IdMode = "range"

    def owner(self, slot: int) -> int:
        return self.uids + (slot % self.ranges) * RANGE

    def write(self, pid: int, slot: int) -> None:
        offset = (slot % self.ranges) * RANGE
        for program, first in (("newuidmap", self.uids), ("newgidmap", self.gids)):
            command = [program, str(pid), "0", str(first + offset), str(RANGE)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
            except subprocess.TimeoutExpired as error:
                raise NoIds(errno.ETIMEDOUT, f"{program} did not end") from error
            if done.returncode:
                raise NoIds(errno.EPERM, f"{program}: {done.stderr.strip()}")


@dataclass(frozen=True)
class SingleId:
    """We are an ordinary user without any: root in the sandbox is ourselves, and nobody else exists there."""

    uid: int
    gid: int
    mode: IdMode = "single"

    def owner(self, slot: int) -> int:
        return self.uid

    def write(self, pid: int, slot: int) -> None:
        if self.uid == 0:
            raise NoIds(errno.EPERM, "a sandbox's root must never be the host's root")
        Path(f"/proc/{pid}/setgroups").write_text("deny")
        Path(f"/proc/{pid}/uid_map").write_text(f"0 {self.uid} 1")
        Path(f"/proc/{pid}/gid_map").write_text(f"0 {self.gid} 1")


def choose_mapping() -> IdMapping:
    """The best way that this process has."""
    uid = os.geteuid()
    if uid == 0:
        return _own_range(Path("/proc/self/uid_map").read_text())
    if shutil.which("newuidmap") and shutil.which("newgidmap"):
        uids, gids = subordinate_range(Path("/etc/subuid"), uid), subordinate_range(Path("/etc/subgid"), uid)
        if uids and gids:
            return SubordinateRange(uids[0], gids[0], min(uids[1], gids[1]) // RANGE)
    return SingleId(uid, os.getegid())


def _own_range(uid_map: str) -> OwnRange:
    """Our usual ranges on a host; inside another user namespace what its longest extent has above its first range."""
    extents = [(int(line.split()[0]), int(line.split()[2])) for line in uid_map.splitlines()]
    start, length = max(extents, key=lambda extent: extent[1])
    if start <= FIRST_BASE and start + length >= FIRST_BASE + MOST_RANGES * RANGE:
        return OwnRange()
    if length < 2 * RANGE:
        raise NoIds(errno.EPERM, "this user namespace has fewer than 131,072 user ids to give to sandboxes")
    return OwnRange(first=start + RANGE, ranges=min(MOST_RANGES, length // RANGE - 1))


def subordinate_range(table: Path, uid: int) -> tuple[int, int] | None:
    """First id and length of the longest usable range that /etc/subuid or /etc/subgid gives a user."""
    try:
        names = {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        names = {str(uid)}
    best: tuple[int, int] | None = None
    for line in table.read_text().splitlines() if table.exists() else []:
        name, _, numbers = line.strip().partition(":")
        first, _, length = numbers.partition(":")
        if name not in names or not (first.isdigit() and length.isdigit()):
            continue
        if int(length) >= RANGE and (best is None or int(length) > best[1]):
            best = int(first), int(length)
    return best


def read_only_tree(source: int, *, user_namespace: int) -> tuple[int, bool]:
    """A detached read-only view of the open directory `source`, and whether the namespace maps its owners.

    Needs CAP_SYS_ADMIN on the host; only one file system is shown, mounts below `source` are not.
    """
    attributes = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID
    tree = syscalls.open_tree(source)
    try:
        try:
            syscalls.mount_setattr(tree, attributes | syscalls.MOUNT_ATTR_IDMAP, user_namespace=user_namespace)
        except OSError as error:
            if error.errno not in _NO_IDMAP:
                raise
            syscalls.mount_setattr(tree, attributes)
            return tree, False
    except OSError:
        os.close(tree)
        raise
    return tree, True


def identity(uid_map: str) -> Sequence[str]:
    """Lines for a user namespace below one whose map is `uid_map`: the same ids, extent by extent.

    One line that spans two extents of the parent is refused (EPERM), and only in the parent's numbering.
    """
    return [f"{inside} {inside} {length}" for inside, _, length in (line.split() for line in uid_map.splitlines())]
