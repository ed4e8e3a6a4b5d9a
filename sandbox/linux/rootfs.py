"""Root file systems for the learner's shell and for pods: an overlay for / and one for /usr, over the system's trees.

Two mounts, because /usr comes from the host by a mount of its own, and an overlay does not look into mounts below its
layers (it refuses such a layer when the mount is locked, as all of ours are).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sandbox.linux import mount, syscalls
from sandbox.linux.layout import SYSTEM_HIDDEN, SYSTEM_SKELETON, SYSTEM_USR

# Overlay options are one page: with more layers than this the kernel would cut them off without a word.
_OPTIONS_LIMIT = 4000


class TooManyLayers(ValueError):
    """The image has more layers than an overlay can name."""


def mount_root(target: Path, *, upper: Path, layers: Sequence[Path] = ()) -> None:
    """Mount a complete writable root at `target`; what is written lands below `upper`.

    `layers` are root trees (each may hold usr/…), topmost first, stacked on the small Debian that every root has.
    `target` and `upper` are made when missing; `upper` must lie on the learner's tmpfs (layout.LEARNER) so that it
    counts against the learner's disk. Mounting what is mounted already does nothing.
    """
    if sum(len(str(layer)) + 5 for layer in layers) > _OPTIONS_LIMIT:
        raise TooManyLayers(f"{len(layers)} layers are too many to stack.")
    if not mount.is_mounted(target):
        mount.overlay(target, lower=[*layers, SYSTEM_SKELETON], upper=upper / "root", work=upper / "root.work")
    usr = target / "usr"
    if not mount.is_mounted(usr):
        above = [layer / "usr" for layer in layers if (layer / "usr").is_dir()]
        lower = [*above, SYSTEM_HIDDEN, SYSTEM_USR]
        mount.overlay(usr, lower=lower, upper=upper / "usr", work=upper / "usr.work")


def unmount_root(target: Path) -> None:
    """Take the root away again; unmounting what is not mounted does nothing. Files in `upper` stay."""
    for path in (target / "usr", target):
        if mount.is_mounted(path):
            syscalls.umount(path, syscalls.MNT_DETACH)
