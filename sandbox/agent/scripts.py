"""Runs scripts unseen: in the learner's own container, or in a clean one that the learner cannot reach."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sandbox.agent.shell import OUR_LABEL, ROOT, Shell
from sandbox.linux import layout, oci, streams
from sandbox.linux.containers import Containers, NewContainer, Session
from sandbox.linux.rootfs import mount_root

Where = Literal["learner", "clean"]
Output = Callable[[bytes], Awaitable[None]]

SCRIPT_BYTES = 100 * 1024
OUTPUT_BYTES = 1024 * 1024
_AT_ONCE = 3
_GRACE_SECONDS = 2.0
_KILLED = 137
_LAST_WORDS_SECONDS = 0.25
"""How long after its end a script's output is waited for, when something else still holds it."""
_BACKGROUND = 64
_CHUNK = 32 * 1024

_CLEAN = layout.LEARNER / "clean"
_LEARNERS_ROOT = "/learner"
_KUBECONFIG = "/run/kubeconfig"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INIT = ("/bin/sh", "-c", "while :; do sleep 2147483647 & wait $!; done")


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    status: int
    timed_out: bool
    truncated: bool


class Scripts:
    """Runs scripts, a few at a time."""

    def __init__(self, shell: Shell, containers: Containers) -> None:
        self._shell = shell
        self._containers = containers
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._number = itertools.count(1)
        self._background: set[asyncio.Task[None]] = set()

    async def run(
        self, text: str, output: Output, *, where: Where, environment: Mapping[str, str], timeout: float
    ) -> Ended:
        """Run a bash script, passing on at most 1 MiB of what it prints; at its deadline it is killed."""
        argv = _limited(text, timeout)
        async with self._turn:
            if where == "learner":
                process = self._shell.process(argv, environment=environment)
                return await self._follow(await self._shell.exec(process, stdin=False), output, timeout)
            async with self._clean_container() as name:
                process = oci.Process(argv, {**_clean_environment(), **environment}, cwd="/root")
                session = await self._containers.exec(name, process, stdin=False)
                return await self._follow(session, output, timeout)

    @contextlib.asynccontextmanager
    async def _clean_container(self) -> AsyncIterator[str]:
        await self._shell.prepare()
        name = f"clean-{next(self._number)}"
        mount_root(_CLEAN / "root", upper=_CLEAN / "upper", layers=[layout.SYSTEM_TOOLS])
        mounts = [
            oci.Mount("", "/tmp"),
            oci.Mount("", "/run"),
            oci.Mount("", "/root"),
            oci.Mount(str(ROOT), _LEARNERS_ROOT, read_only=True),
        ]
        kubeconfig = _shared_kubeconfig()
        if kubeconfig is not None:
            mounts.append(oci.Mount(kubeconfig, _KUBECONFIG, read_only=True))
        init = oci.Process(_INIT, {"PATH": _PATH})
        config = oci.ContainerConfig(
            str(_CLEAN / "root"), init, hostname=layout.HOSTNAME, mounts=mounts, read_only_root=True
        )
        await self._containers.start(NewContainer(name, config, part="learner", labels={OUR_LABEL: "clean"}))
        try:
            yield name
        finally:
            await self._containers.remove(name)

    async def _follow(self, session: Session, output: Output, timeout: float) -> Ended:
        """Pass on what the script prints until it has ended; what it left running in the background may print on."""
        printed = _Printed(await streams.open_reader(session.take("stdout")), output)
        session.close()
        copying = asyncio.create_task(printed.copy())
        timed_out = False
        try:
            async with asyncio.timeout(timeout + _GRACE_SECONDS):
                status = (await session.wait()).code
            await asyncio.wait({copying}, timeout=_LAST_WORDS_SECONDS)
            if copying.done():
                copying.result()
        except TimeoutError:
            timed_out, status = True, _KILLED
        finally:
            await session.kill()
            self._leave(copying, printed)
        return Ended(status, timed_out or (status == _KILLED and printed.age >= timeout), printed.truncated)

    def _leave(self, copying: asyncio.Task[None], printed: _Printed) -> None:
        """Read on for whoever still writes: a server in the background must not die of a closed pipe."""
        printed.output = None
        if len(self._background) >= _BACKGROUND:
            copying.cancel()
            printed.close()
        elif not copying.done():
            self._background.add(copying)
            copying.add_done_callback(self._background.discard)


class _Printed:
    """What a script prints, passed on as far as it is wanted and read on as long as somebody writes."""

    def __init__(self, reader: streams.Reader, output: Output) -> None:
        self.output: Output | None = output
        self.truncated = False
        self._reader = reader
        self._room = OUTPUT_BYTES
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the script was started."""
        return time.monotonic() - self._began

    async def copy(self) -> None:
        """Read to the end."""
        try:
            while data := await self._reader.read(_CHUNK):
                if self.output is not None and self._room > 0:
                    await self.output(data[: self._room])
                self._room -= len(data)
                self.truncated = self._room < 0
        finally:
            self.close()

    def close(self) -> None:
        """Read no more."""
        self._reader.close()


def _limited(text: str, timeout: float) -> tuple[str, ...]:
    """The argv that runs the script in a process group of its own, whole until the deadline, with one output."""
    return (
        "/usr/bin/timeout", "--signal=KILL", f"{timeout:.3f}",
        "/bin/bash", "-c", 'exec "$@" 2>&1', "bash", *_interpreted(text),
    )  # fmt: skip


def _interpreted(text: str) -> tuple[str, ...]:
    """How to run the script: by the interpreter of its first line, or by bash."""
    first = text.split("\n", 1)[0]
    if first.startswith("#!") and not first.rstrip().endswith(("/bash", "/sh", " bash", " sh")):
        with contextlib.suppress(ValueError):
            interpreter = shlex.split(first[2:])
            if interpreter:
                return (
                    "/bin/bash",
                    "-c",
                    'script=$1; shift; exec "$@" <(printf %s "$script")',
                    "bash",
                    text,
                    *interpreter,
                )
    return ("/bin/bash", "-c", text)


def _clean_environment() -> dict[str, str]:
    return {
        "PATH": _PATH,
        "HOME": "/root",
        "USER": "root",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "KUBECONFIG": _KUBECONFIG,
    }


def _shared_kubeconfig() -> str | None:
    """A copy of the admin's kubeconfig that may be bound into a container; None without a cluster."""
    try:
        content = layout.CLUSTER_KUBECONFIG.read_bytes()
    except OSError:
        return None
    copy = oci.SHARED / "kubeconfig"
    if not copy.exists() or copy.read_bytes() != content:
        copy.write_bytes(content)
    return str(copy)
