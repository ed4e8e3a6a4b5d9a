"""Paths that a pod's spec names, followed inside a directory that learners may write to: no link leads out of it.

The learner is cluster admin and owns the node's tree, so a hostPath or subPath may pass through links of their making.
Links are followed by hand with the root as ceiling. What comes back has no links in it; whoever mounts it opens it
without following any (`sandbox.linux.beneath`), so that swapping a directory for a link meanwhile gains nothing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_LINKS = 40
"""As many links as Linux follows (ELOOP beyond)."""


class PathFault(Exception):
    """The path cannot be used; the message says why."""


def resolve_inside(root: Path, path: str, *, create: str = "") -> Path:
    """The link-free path of `path` below `root`; `create` ("directory" or "file") makes what is missing.

    Raises PathFault.
    """
    stack = [os.open(root, os.O_PATH | os.O_DIRECTORY)]
    try:
        return root.joinpath(*_walk(stack, path, create))
    except OSError as error:
        raise PathFault(f"{path}: {(error.strerror or str(error)).lower()}") from error
    finally:
        for descriptor in stack:
            os.close(descriptor)


def _walk(stack: list[int], path: str, create: str) -> list[str]:
    todo = _parts(path)
    names: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            _up(stack, names, to=max(1, len(stack) - 1))
            continue
        if create:
            _make(stack[-1], part, "file" if create == "file" and not todo else "directory")
        descriptor = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=stack[-1])
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            stack.append(descriptor)
            names.append(part)
            continue
        os.close(descriptor)
        links += 1
        if links > _LINKS:
            raise PathFault(f"{path}: too many levels of symbolic links")
        target = os.readlink(part, dir_fd=stack[-1])
        if target.startswith("/"):
            _up(stack, names, to=1)
        todo = _parts(target) + todo
    return names


def _up(stack: list[int], names: list[str], *, to: int) -> None:
    while len(stack) > to:
        os.close(stack.pop())
        names.pop()


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _make(directory: int, name: str, what: str) -> None:
    """Make it unless something of that name is there."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        if what == "directory":
            os.mkdir(name, 0o755, dir_fd=directory)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=directory))


def kind_of(path: Path) -> str:
    """directory, file, socket, character device or block device. Raises PathFault when it is gone."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise PathFault(f"{path.name}: {(error.strerror or '').lower()}") from error
    for test, name in (
        (stat.S_ISDIR, "directory"),
        (stat.S_ISREG, "file"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
    ):
        if test(mode):
            return name
    return "special file"
