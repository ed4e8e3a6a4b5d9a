"""Calls to crun, each with a deadline: only the starter makes them."""

from __future__ import annotations

import array
import contextlib
import itertools
import json
import os
import shutil
import socket
from pathlib import Path

from sandbox.linux.cgroup import Group
from sandbox.linux.children import Children
from sandbox.linux.layout import BUNDLES, OURS

_DEADLINE = 20.0
_MESSAGE_BYTES = 2048
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_STATE = BUNDLES / "crun"


class CrunError(Exception):
    """crun refused or hung; the message is its own, without its timestamp."""


class Crun:
    """crun, run by the one process that may."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._program = shutil.which("crun", path=_ENVIRONMENT["PATH"]) or "/usr/bin/crun"
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self._number = itertools.count(1)
        _STATE.mkdir(parents=True, exist_ok=True)

    async def create(
        self, container: str, bundle: Path, stdio: tuple[int, int, int] | None, group: Group | None
    ) -> tuple[int, int]:
        """Create the container with these descriptors, or a console when None: its pid and the console or -1.

        With a `group` all of it, crun too, is in that group.
        """
        arguments = ["create", "--no-new-keyring", "--bundle", str(bundle)]
        return await self._started(arguments, [container], stdio, group=group)

    async def start(self, container: str) -> None:
        """Let a created container's process run."""
        await self._run(["start", container], None)

    async def exec(
        self, container: str, process: Path, stdio: tuple[int, int, int] | None, group: Group
    ) -> tuple[int, int]:
        """Run a further process in the container, in `group` from its first instruction: pid and console or -1."""
        arguments = ["exec", "--detach", "--process", str(process)]
        return await self._started(arguments, [container], stdio, group=group)

    async def delete(self, container: str) -> None:
        """Forget the container, killing what is left of it. Deleting what is gone is no error."""
        with contextlib.suppress(CrunError):
            await self._run(["delete", "--force", container], None)

    async def _started(
        self, arguments: list[str], names: list[str], stdio: tuple[int, int, int] | None, *, group: Group | None
    ) -> tuple[int, int]:
        number = next(self._number)
        pid_file = OURS / f"pid-{number}"
        arguments = [*arguments, "--pid-file", str(pid_file)]
        try:
            if stdio is not None:
                await self._run([*arguments, *names], stdio, group)
                return int(pid_file.read_text()), -1
            with ConsoleSocket(OURS / f"console-{number}.sock") as console:
                await self._run([*arguments, "--console-socket", str(console.path), *names], None, group)
                return int(pid_file.read_text()), console.receive()
        except (OSError, ValueError) as error:
            raise CrunError(f"crun said it started, but {error}") from error
        finally:
            pid_file.unlink(missing_ok=True)

    async def _run(self, arguments: list[str], stdio: tuple[int, int, int] | None, group: Group | None = None) -> None:
        log = OURS / f"crun-{next(self._number)}.log"
        general = ["--root", str(_STATE), "--cgroup-manager=disabled", "--log", str(log), "--log-format=json"]
        try:
            code = await self._children.run(
                [self._program, *general, *arguments],
                stdio=stdio or (self._null, self._null, self._null),
                environment=_ENVIRONMENT,
                deadline=_DEADLINE,
                group=group,
            )
            if code != 0:
                raise CrunError(_message(log) or f"crun {arguments[0]} ended with {code}")
        finally:
            log.unlink(missing_ok=True)


class ConsoleSocket:
    """Where crun sends the master of a new tty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.settimeout(0)

    def __enter__(self) -> ConsoleSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def receive(self) -> int:
        """The master that crun sent before it ended. Raises OSError when it sent none."""
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(0)
            _, ancillary, _, _ = connection.recvmsg(256, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i", data)
                return int(fds[0])
        raise OSError("crun sent no console")


def _message(log: Path) -> str:
    """The errors that crun logged, the cause first: it logs one more for each step that fails after it."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors: list[str] = []
    for line in lines:
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and record.get("level", "error") == "error":
                errors.append(str(record.get("msg", "")))
    return "; ".join(dict.fromkeys(errors))[:_MESSAGE_BYTES]
