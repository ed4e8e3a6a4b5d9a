"""The one place that writes OCI runtime configurations: callers say what they want, this grants what is safe.

Whatever a hostile pod spec asks for, a container gets at most Docker's fourteen capabilities, masked and read-only
/proc paths, no devices, no new privileges, our seccomp list and no user namespace.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandbox.linux import seccomp
from sandbox.linux.layout import BUNDLES, MINIKUBE_SOCKET, OURS

Object = dict[str, Any]
Namespace = Literal["network", "ipc", "uts", "pid"]

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip
"""Docker's default set, without the prefix CAP_. Nothing ever gets another one."""

_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/sysrq-trigger", "/proc/kallsyms", "/proc/interrupts",
    "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys")

_HIDDEN = (OURS, Path("/proc"), Path("/sys"), Path("/dev"))
"""Trees of the sandbox that no container is given a part of: control sockets, our processes, devices."""

_TMPFS_BYTES = 64 << 20
_SHM_BYTES = 64 << 20
_OOM_SCORE = 800
"""More than our own processes have in the same sandbox: a container's first process dies before them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SYSCTL = re.compile(r"net\.[a-z0-9_.-]{1,100}")


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
    size: tuple[int, int] = (80, 24)
    """Columns and rows of the tty at the start."""
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
    namespaces: Mapping[Namespace, str] = field(default_factory=dict)
    """Paths (/proc/PID/ns/net, a bound nsfs) to join; network left out: the sandbox's; the others left out: own."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Only net.* in a joined network namespace; the rest is left out."""

    @property
    def tty(self) -> bool:
        """Whether its first process has a terminal."""
        return self.process.tty


_process_number = itertools.count(1)


def bundle_of(container: str) -> Path:
    """Where the bundle of that container lies. Raises ValueError when it is no name for one."""
    if not _NAME.fullmatch(container):
        raise ValueError(f"{container!r} is no name for a container")
    return BUNDLES / "containers" / container


def write_bundle(container: str, config: ContainerConfig) -> Path:
    """Write the bundle of a container into our own tmpfs and return its directory."""
    bundle = bundle_of(container)
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "config.json").write_text(json.dumps(runtime_config(config)))
    return bundle


def write_process(container: str, process: Process) -> Path:
    """Write the file that `crun exec --process` takes, for one use, and return its path."""
    path = bundle_of(container) / f"process-{next(_process_number)}.json"
    path.write_text(json.dumps(_process(process)))
    return path


def runtime_config(config: ContainerConfig) -> Object:
    """The OCI runtime configuration for a container that should be like `config`."""
    for mount in config.mounts:
        _refuse_ours(mount.source)
    _refuse_ours(config.rootfs)
    written: Object = {
        "ociVersion": "1.0.0",
        "process": _process(config.process),
        "root": {"path": config.rootfs, "readonly": config.read_only_root},
        "mounts": [*_usr_of_a_read_only_root(config), *_own_mounts(), *(_mount(mount) for mount in config.mounts)],
        "linux": {
            "namespaces": _namespaces(config.namespaces),
            "maskedPaths": list(_MASKED),
            "readonlyPaths": list(_READ_ONLY),
            "seccomp": _seccomp(),
            "sysctl": _sysctls(config),
        },
    }
    if config.hostname and "uts" not in config.namespaces:
        written["hostname"] = config.hostname
    return written


@functools.cache
def _seccomp() -> Object:
    return seccomp.profile()


def _process(process: Process) -> Object:
    names = {name.upper().removeprefix("CAP_") for name in process.capabilities}
    granted = [f"CAP_{name}" for name in CAPABILITIES if "ALL" in names or name in names]
    effective = granted if process.uid == 0 else []
    limits = [{"type": "RLIMIT_NOFILE", "soft": process.files, "hard": process.files}]
    limits.append({"type": "RLIMIT_CORE", "soft": 0, "hard": 0})
    if process.processes:
        limits.append({"type": "RLIMIT_NPROC", "soft": process.processes, "hard": process.processes})
    columns, rows = process.size
    return {
        "terminal": process.tty,
        "consoleSize": {"height": rows, "width": columns},
        "user": {"uid": process.uid, "gid": process.gid, "additionalGids": list(process.groups)},
        "args": list(process.argv),
        "env": [f"{name}={value}" for name, value in process.environment.items()],
        "cwd": process.cwd or "/",
        "capabilities": {
            "bounding": granted,
            "effective": effective,
            "permitted": effective,
            "inheritable": [],
            "ambient": [],
        },
        "rlimits": limits,
        "noNewPrivileges": True,
        "oomScoreAdj": _OOM_SCORE,
    }


def _namespaces(joined: Mapping[Namespace, str]) -> list[Object]:
    """Own mount namespace always; the network is the sandbox's unless another is named; never a user namespace."""
    kinds: tuple[Namespace, ...] = ("pid", "ipc", "uts")
    listed: list[Object] = [{"type": "mount"}]
    for kind in kinds:
        listed.append({"type": kind, "path": joined[kind]} if kind in joined else {"type": kind})
    if "network" in joined:
        listed.append({"type": "network", "path": joined["network"]})
    return listed


def _usr_of_a_read_only_root(config: ContainerConfig) -> list[Object]:
    """/usr is a mount of its own (rootfs.py), which `readonly` of the root says nothing about."""
    usr = Path(config.rootfs) / "usr"
    if not config.read_only_root or not usr.is_mount():
        return []
    return [{"destination": "/usr", "type": "bind", "source": str(usr), "options": ["rbind", "rprivate", "rro"]}]


def _own_mounts() -> list[Object]:
    """What every container gets. Without gid=5 for /dev/pts: a sandbox with a single id has no group 5."""
    plain = ["nosuid", "noexec", "nodev"]
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": plain},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        },
        {
            "destination": "/dev/shm",
            "type": "tmpfs",
            "source": "shm",
            "options": [*plain, "mode=1777", f"size={_SHM_BYTES}"],
        },
    ]


def _mount(mount: Mount) -> Object:
    if not mount.source:
        access = "ro" if mount.read_only else "rw"
        size = mount.size or _TMPFS_BYTES
        options = ["nosuid", "nodev", "mode=1777", f"size={size}", access]
        return {"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options}
    # `ro` is of the topmost mount only, and below a root lies /usr, a mount of its own; crun refuses `rro` for a file.
    read_only = "rro" if Path(mount.source).is_dir() else "ro"
    options = ["rbind", "rprivate", "nosuid", "nodev", read_only if mount.read_only else "rw"]
    return {"destination": mount.target, "type": "bind", "source": mount.source, "options": options}


SHARED = OURS / "shared"
"""Files below it are made for containers and may be bound into them."""


def _refuse_ours(source: str) -> None:
    """Raise ValueError when a path would show a container what is ours, however it is written."""
    if not source:
        return
    if not source.startswith("/") or ".." in source.split("/"):
        raise ValueError(f"a mount's source must be an absolute path without .., not {source!r}")
    paths = (Path(source), _resolved(source))
    hidden = any(path.is_relative_to(tree) or tree.is_relative_to(path) for tree in _HIDDEN for path in paths)
    allowed = all(path == MINIKUBE_SOCKET or path.is_relative_to(SHARED) for path in paths)
    if hidden and not allowed:
        raise ValueError(f"{source} is not for containers")


def _resolved(source: str) -> Path:
    try:
        return Path(source).resolve()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{source} cannot be mounted: {error}") from error


def _sysctls(config: ContainerConfig) -> dict[str, str]:
    if "network" not in config.namespaces:
        return {}
    return {name: value for name, value in config.sysctls.items() if _SYSCTL.fullmatch(name)}
