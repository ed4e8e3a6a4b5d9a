"""The learner's container: one for all their terminals, so that these share files and processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from sandbox.agent import bashrc
from sandbox.linux import layout, oci
from sandbox.linux.containers import CannotStart, Containers, NewContainer, NoSuchContainer, Session
from sandbox.linux.layout import SandboxFacts
from sandbox.linux.rootfs import mount_root

CONTAINER = "shell"
ROOT = layout.SHELL / "root"
OUR_LABEL = "agent"
"""Marks containers that are the agent's, not the cluster's."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INIT = "trap '' INT QUIT TSTP; while :; do sleep 2147483647 & wait $!; done"
"""Process 1 does nothing but bury orphans, which `wait` does on the way."""


class Shell:
    """Makes the learner's container when it is needed and runs things in it as the learner."""

    def __init__(self, facts: SandboxFacts, containers: Containers) -> None:
        self._facts = facts
        self._containers = containers
        self._made = False
        self._lock = asyncio.Lock()
        self.uid = layout.LEARNER_UID if facts.user == "learner" and facts.id_mode == "range" else 0
        self.home = "/home/learner" if facts.user == "learner" else "/root"

    @property
    def root(self) -> Path:
        """The learner's root directory as the agent sees it."""
        return ROOT

    async def prepare(self) -> None:
        """Make the root and start the container; preparing what is there does nothing. Raises CannotStart."""
        async with self._lock:
            if self._made:
                return
            await self._containers.remove(CONTAINER)
            mount_root(ROOT, upper=layout.SHELL / "upper", layers=[layout.SYSTEM_TOOLS])
            oci.SHARED.mkdir(exist_ok=True)
            (oci.SHARED / "bashrc").write_text(bashrc.TEXT)
            await self._containers.start(self._container())
            self._made = True

    async def exec(self, process: oci.Process, *, stdin: bool = True) -> Session:
        """Run something in the container; a container that has died is made anew. Raises CannotStart."""
        await self.prepare()
        try:
            return await self._containers.exec(CONTAINER, process, stdin=stdin)
        except NoSuchContainer:
            self._made = False
            await self.prepare()
        try:
            return await self._containers.exec(CONTAINER, process, stdin=stdin)
        except NoSuchContainer as error:
            raise CannotStart("The terminal's container has ended.") from error

    def process(
        self,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        size: tuple[int, int] | None = None,
    ) -> oci.Process:
        """A process of the learner's; with `size` it has a tty."""
        name = "learner" if self._facts.user == "learner" else "root"
        own = {
            "PATH": _PATH,
            "HOME": self.home,
            "USER": name,
            "LOGNAME": name,
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color" if size else "dumb",
        }
        limited = "pids" not in self._facts.cgroups
        return oci.Process(
            argv,
            own | dict(environment or {}),
            cwd=cwd or self.home,
            uid=self.uid,
            gid=self.uid,
            tty=size is not None,
            size=size or (80, 24),
            files=self._facts.files,
            processes=self._facts.processes if limited else 0,
        )

    def terminal(self, nonce: str, size: tuple[int, int]) -> oci.Process:
        """The process of a new terminal: bash with our marks."""
        argv = ("/bin/bash", "--rcfile", bashrc.PATH_IN_SHELL, "-i")
        return self.process(argv, environment={bashrc.NONCE_VARIABLE: nonce, "COLORTERM": "truecolor"}, size=size)

    def _container(self) -> NewContainer:
        mounts = [
            oci.Mount(str(oci.SHARED / "bashrc"), bashrc.PATH_IN_SHELL, read_only=True),
            oci.Mount(str(layout.MINIKUBE_SOCKET), str(layout.MINIKUBE_SOCKET_IN_SHELL)),
        ]
        init = oci.Process(("/bin/sh", "-c", _INIT), {"PATH": _PATH}, files=self._facts.files)
        config = oci.ContainerConfig(str(ROOT), init, hostname=layout.HOSTNAME, mounts=mounts)
        return NewContainer(CONTAINER, config, part="learner", labels={OUR_LABEL: "shell"})
