"""Directories of the node's tree that the storage provisioner makes and takes away.

Learners write to that tree: nothing here passes through a symbolic link of theirs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path, PurePosixPath

from sandbox.linux.beneath import open_beneath


class NodeTree:
    """The part of the node's tree where provisioned volumes lie."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def make(self, path: str) -> None:
        """A directory that every user of every pod may write to. Raises OSError."""
        current = self._root
        for part in _parts(path):
            parent = open_beneath(self._root, current)
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=parent)
            finally:
                os.close(parent)
            current /= part
        made = open_beneath(self._root, current)
        try:
            # O_PATH descriptors cannot be changed themselves.
            Path(f"/proc/self/fd/{made}").chmod(0o777)
        finally:
            os.close(made)

    def remove(self, path: str) -> None:
        """Take a directory away with all that is in it; one that is gone is no error. Raises OSError."""
        parts = _parts(path)
        try:
            parent = open_beneath(self._root, self._root.joinpath(*parts[:-1]))
        except FileNotFoundError:
            return
        try:
            shutil.rmtree(parts[-1], dir_fd=parent)
        except FileNotFoundError:
            return
        finally:
            os.close(parent)


def _parts(path: str) -> list[str]:
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    if not parts or ".." in parts:
        raise OSError(f"{path} is no directory of a volume")
    return parts
