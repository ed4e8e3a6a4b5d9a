"""Runs a test's body in namespaces of its own, with our directories as tmpfs: a sandbox without the launcher."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sandbox.linux import layout, syscalls

ROOT = Path("/var/lib/learner/root")
"""An overlay of the host's root with everything private covered: what containers in these tests run on."""

PLACES = (layout.OURS, layout.LEARNER, layout.SYSTEM)
"""Where the launcher mounts things, and these tests too."""
SEEN = {"usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "proc", "sys"}
"""What containers in these tests see of the host."""


def inside(body: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of `body` that runs as process 1 of new namespaces; what fails there fails here."""

    @functools.wraps(body)
    def test(*arguments: Any, **named: Any) -> None:
        absent = [path for path in PLACES if not path.exists()]
        read, write = os.pipe()
        kinds = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET
        pid = syscalls.clone(kinds | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS | signal.SIGCHLD)
        if pid == 0:
            _child(write, lambda: body(*arguments, **named))
        os.close(write)
        try:
            with os.fdopen(read) as report:
                problem = report.read()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            for path in absent:  # mount points have to be made on the host itself
                with contextlib.suppress(OSError):
                    path.rmdir()
        if problem != "ok":
            raise AssertionError(problem or "the sandbox died")

    del test.__wrapped__  # type: ignore[attr-defined]  # pytest must not see a coroutine function
    return test


def _child(write: int, body: Callable[[], Awaitable[None]]) -> None:
    syscalls.die_with_parent(signal.SIGKILL)
    report = "ok"
    try:
        prepare()

        async def limited() -> None:
            async with asyncio.timeout(60):
                await body()

        asyncio.run(limited())
    except BaseException:  # noqa: BLE001 - the top of a process
        report = traceback.format_exc()
    os.write(write, report.encode()[-60000:])
    os._exit(0)


def prepare() -> None:
    """Mounts that the launcher would have made."""
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("proc", "/proc", "proc")
    syscalls.mount("none", "/sys/fs/cgroup", "tmpfs")  # crun refuses a hybrid hierarchy
    for path in (layout.OURS, layout.LEARNER):
        path.mkdir(parents=True, exist_ok=True)
        syscalls.mount("none", path, "tmpfs", 0, "mode=755")
    layout.BUNDLES.mkdir()
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    upper, work = layout.LEARNER / "upper", layout.LEARNER / "work"
    for path in (upper, work, ROOT):
        path.mkdir()
    for entry in Path("/").iterdir():
        if entry.name not in SEEN and entry.is_dir() and not entry.is_symlink():  # opaque: nothing of the host's
            (upper / entry.name).mkdir()
            os.setxattr(upper / entry.name, "trusted.overlay.opaque", b"y")
    (upper / "tmp").chmod(0o1777)
    syscalls.mount("overlay", ROOT, "overlay", 0, f"lowerdir=/,upperdir={upper},workdir={work}")


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds, for five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def open_files(pid: int) -> set[str]:
    """Numbers of its open descriptors."""
    return {entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()}
