"""The one place that writes OCI runtime configurations: callers say what they want, this grants what is safe.

Whatever a hostile pod spec asks for, a container gets at most Docker's fourteen capabilities, masked and read-only
/proc paths, no devices, no new privileges, our seccomp list and no user namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Object = dict[str, Any]

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
"""Docker's default set, without the prefix CAP_. Nothing ever gets another one."""


@dataclass(frozen=True)
class Mount:
    """A directory or file bound into the container, or a tmpfs when `source` is empty."""

    source: str
    target: str
    read_only: bool = False
    size: int = 0
    """Bytes, of a tmpfs; 0: 64 MiB."""


@dataclass(frozen=True)
class Process:
    """What runs: the container's first process, or one exec'd into it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    tty: bool = False
    capabilities: tuple[str, ...] = CAPABILITIES
    """With or without CAP_; those beyond Docker's fourteen are left out silently. "ALL" means the fourteen."""
    files: int = 4096
    """RLIMIT_NOFILE."""
    processes: int = 0
    """RLIMIT_NPROC; 0: inherited."""


@dataclass(frozen=True)
class ContainerConfig:
    """What one container should be."""

    rootfs: str
    """An existing, mounted root (for example an overlay)."""
    process: Process
    hostname: str = ""
    """Only with an own uts namespace."""
    mounts: Sequence[Mount] = ()
    """Beside /proc, /dev, /dev/pts, /dev/shm, which it always gets."""
    read_only_root: bool = False
    namespaces: Mapping[Literal["network", "ipc", "uts", "pid"], str] = field(default_factory=dict)
    """Paths (/proc/PID/ns/net, a bound nsfs) to join; network left out: the sandbox's; the others left out: own."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Only net.* in a joined network namespace; the rest is left out."""

    @property
    def tty(self) -> bool:
        return self.process.tty


def write_bundle(container: str, config: ContainerConfig) -> Path:
    """Write the bundle of a container into our own tmpfs and return its directory."""
    raise NotImplementedError


def write_process(container: str, process: Process) -> Path:
    """Write the file that `crun exec --process` takes and return its path."""
    raise NotImplementedError
