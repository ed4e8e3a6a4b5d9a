"""What a root daemon leaves on the host outside its own directory, and clearing up after daemons that were killed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path


def key_of(socket: Path) -> str:
    """Names what belongs to the daemon of this socket, so that two on one host leave each other's alone."""
    return hashlib.sha256(os.fsencode(socket.resolve())).hexdigest()[:10]


@dataclass(frozen=True)
class Belongings:
    """A directory that only root may write to, held by a lock that ends with the daemon."""

    key: str
    path: Path
    lock: int
    orphans: tuple[str, ...]
    """Keys of daemons that are gone without having cleared up."""

    @classmethod
    def claim(cls, cache: Path, socket: Path) -> Belongings | None:
        """Take this socket's directory, emptied, and clear away those nobody holds; None where there is no place."""
        key = key_of(socket)
        try:
            cache.mkdir(mode=0o711, exist_ok=True)
            lock = _lock(cache / key)
            if lock is None:
                return None
            shutil.rmtree(cache / key / "skeleton", ignore_errors=True)
            return cls(key, cache / key, lock, tuple(_clear_orphans(cache, key)))
        except OSError:
            return None

    def let_go(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def _lock(directory: Path) -> int | None:
    directory.mkdir(mode=0o711, exist_ok=True)
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _clear_orphans(cache: Path, own: str) -> list[str]:
    cleared = []
    for directory in cache.iterdir():
        if directory.name == own or not directory.is_dir():
            continue
        handle = _lock(directory)
        if handle is not None:
            shutil.rmtree(directory, ignore_errors=True)
            os.close(handle)
            cleared.append(directory.name)
    return cleared
