"""Network namespaces with a name: bound to a file, so that one lives without a process in it and can be entered again.

A thread that has stepped into a namespace must not await, nor start another thread, before it has stepped back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sandbox.linux import syscalls

_OWN = "/proc/thread-self/ns/net"


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        syscalls.setns(own, syscalls.CLONE_NEWNET)
        os.close(own)


def create(path: Path) -> None:
    """Make a network namespace and bind it to `path`, whose directory exists. Raises FileExistsError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with _returning():
            syscalls.unshare(syscalls.CLONE_NEWNET)
            syscalls.mount(_OWN, path, None, syscalls.MS_BIND)
    except OSError:
        path.unlink()
        raise


def remove(path: Path) -> None:
    """Let the namespace go; it ends with its last process. Removing what is gone is no error."""
    # A file that is not mounted (EINVAL) was left by a creation cut short.
    with contextlib.suppress(OSError):
        syscalls.umount(path, syscalls.MNT_DETACH)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def entered(path: Path) -> Iterator[int]:
    """Step into the namespace for the length of the block, which gets a descriptor of it."""
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _returning():
            syscalls.setns(there, syscalls.CLONE_NEWNET)
            yield there
    finally:
        os.close(there)
