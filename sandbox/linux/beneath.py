"""Opens paths in trees that hostile programs write to: never through a symbolic link, never out of the tree."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_OPENAT2 = 437  # the same on every processor
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08

_libc = ctypes.CDLL(None, use_errno=True)


def open_beneath(root: Path, path: Path) -> int:
    """A descriptor (O_PATH) of `path`, which must lie in `root` with no symbolic link in between. Raises OSError."""
    relative = path.relative_to(root)
    start = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        resolve = _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH
        how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, resolve)
        name = os.fsencode(relative)
        fd = _libc.syscall(ctypes.c_long(_OPENAT2), start, name, how, ctypes.c_size_t(len(how)))
        if fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
        return int(fd)
    finally:
        os.close(start)
