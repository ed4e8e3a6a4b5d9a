"""Root file systems for the learner's shell and for pods: an overlay for / and one for /usr, over the system's trees.

Two mounts, because /usr comes from the host by a mount of its own, and an overlay does not look into mounts below its
layers (it refuses such a layer when the mount is locked, as all of ours are).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def mount_root(target: Path, *, upper: Path, layers: Sequence[Path] = ()) -> None:
    """Mount a complete writable root at `target`; what is written lands below `upper`.

    `layers` are root trees (each may hold usr/…), topmost first, stacked on the small Debian that every root has.
    `target` and `upper` are made when missing; `upper` must lie on the learner's tmpfs (layout.LEARNER) so that it
    counts against the learner's disk. Mounting what is mounted already does nothing.
    """
    raise NotImplementedError


def unmount_root(target: Path) -> None:
    """Take the root away again; unmounting what is not mounted does nothing. Files in `upper` stay."""
    raise NotImplementedError
