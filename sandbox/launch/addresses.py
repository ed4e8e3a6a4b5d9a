"""Where agents listen: a directory a sandbox, in one of ours that whoever may write above it cannot lead astray.

The site's user owns the data directory and we may be root: everything here goes by handles, never by paths.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Addresses:
    """The directory `sandboxes` beside the daemon's own socket, made afresh."""

    def __init__(self, run: Path) -> None:
        self.path = run / "sandboxes"
        self._run = os.open(run, _DIRECTORY)
        shutil.rmtree("sandboxes", ignore_errors=True, dir_fd=self._run)
        self._sandboxes = _fresh("sandboxes", self._run)
        os.fchmod(self._sandboxes, 0o711)

    def listen(self, name: str, *, owner: int) -> socket.socket:
        """An agent's listening socket, made outside so that nothing of the host needs mounting for it.

        Only the host's user `owner` may reach it.
        """
        self.remove(name)
        directory = _fresh(name, self._sandboxes)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            # Socket addresses are at most 107 bytes, and the data directory may lie deep.
            listener.bind(f"/proc/self/fd/{directory}/agent.sock")
            if os.geteuid() == 0:
                os.chown("agent.sock", owner, -1, dir_fd=directory, follow_symlinks=False)
                os.fchown(directory, owner, -1)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(mask)
            os.close(directory)
        return listener

    def remove(self, name: str) -> None:
        """Remove a sandbox's directory; removing what is gone is no error."""
        shutil.rmtree(name, ignore_errors=True, dir_fd=self._sandboxes)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree("sandboxes", ignore_errors=True, dir_fd=self._run)
        os.close(self._sandboxes)
        os.close(self._run)


def _fresh(name: str, parent: int) -> int:
    os.mkdir(name, 0o700, dir_fd=parent)
    handle = os.open(name, _DIRECTORY, dir_fd=parent)
    if os.fstat(handle).st_uid != os.geteuid():
        os.close(handle)
        raise PermissionError(f"{name} was exchanged while it was made")
    return handle
