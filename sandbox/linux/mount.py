"""Mounts by what they are for: file systems in memory, read-only views, devices, overlays."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from sandbox.linux import syscalls
from sandbox.linux.syscalls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT

# Flags that a user namespace may not take off a mount that came from outside: they must be named again on a remount.
_LOCKED_FLAGS = (
    (os.ST_NOSUID, MS_NOSUID),
    (os.ST_NODEV, MS_NODEV),
    (os.ST_NOEXEC, MS_NOEXEC),
    (os.ST_NOATIME, 1024),
    (os.ST_NODIRATIME, 2048),
    (os.ST_RELATIME, 1 << 21),
)

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def make_private() -> None:
    """Stop mounts of this namespace from reaching other namespaces, and theirs from reaching us."""
    syscalls.mount(None, "/", None, MS_REC | MS_PRIVATE)


def memory(target: Path, *, size: int, mode: int = 0o755, inodes: int = 100_000) -> None:
    """A file system in memory of at most `size` bytes."""
    target.mkdir(parents=True, exist_ok=True)
    options = f"size={size},nr_inodes={inodes},mode={mode:o}"
    syscalls.mount("quayside", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def bind(source: Path | str, target: Path, *, recursive: bool = False) -> None:
    """Show `source` (a directory, a file, a device) at `target` too; the mount point is made when missing."""
    _make_mount_point(target, directory=Path(source).is_dir())
    syscalls.mount(str(source), target, None, MS_BIND | (MS_REC if recursive else 0))


def read_only(target: Path) -> None:
    """Make the mount at `target` read-only and blind to set-uid programs and devices."""
    present = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in _LOCKED_FLAGS if present & seen)
    syscalls.mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | kept)


def attach(tree: int, target: Path) -> None:
    """Attach a detached tree (idmap.py) at `target` and close its descriptor."""
    _make_mount_point(target, directory=stat.S_ISDIR(os.fstat(tree).st_mode))
    syscalls.move_mount(tree, target)
    os.close(tree)


def open_directory(path: Path) -> int:
    """A handle on a directory that is itself no link: we may be root, and others may write above it."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def proc(target: Path) -> None:
    """The processes of the caller's pid namespace."""
    target.mkdir(parents=True, exist_ok=True)
    syscalls.mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def devices(target: Path, *, has_tty_group: bool) -> None:
    """A /dev with what every program expects and nothing of the machine."""
    target.mkdir(parents=True, exist_ok=True)
    for name in DEVICES:
        bind(f"/dev/{name}", target / name)
    terminals = target / "pts"
    terminals.mkdir(exist_ok=True)
    group = ",gid=5" if has_tty_group else ""  # with a single id there is no gid 5: EINVAL
    options = f"newinstance,ptmxmode=0666,mode=620{group}"
    syscalls.mount("devpts", terminals, "devpts", MS_NOSUID | MS_NOEXEC, options)
    memory(target / "shm", size=16 << 20, mode=0o1777, inodes=1000)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0"}
    links |= {"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
    for name, destination in links.items():
        (target / name).symlink_to(destination)


def overlay(target: Path, *, lower: Sequence[Path], upper: Path, work: Path) -> None:
    """Stack `lower` (topmost first) under a writable `upper`."""
    for directory in (target, upper, work):
        directory.mkdir(parents=True, exist_ok=True)
    layers = ":".join(_escaped(layer) for layer in lower)
    options = f"lowerdir={layers},upperdir={_escaped(upper)},workdir={_escaped(work)},userxattr"
    syscalls.mount("overlay", target, "overlay", MS_NODEV, options)


def enter_root(root: Path) -> None:
    """Make `root`, a mount point, the root of this mount namespace and let go of the old one."""
    os.chdir(root)
    syscalls.pivot_root(".", ".")
    syscalls.umount(".", syscalls.MNT_DETACH)
    os.chdir("/")


def is_mounted(target: Path) -> bool:
    """Whether something is mounted at exactly this path."""
    wanted = os.fsencode(target.resolve())
    with Path("/proc/self/mountinfo").open("rb") as mounts:
        return any(_unescaped(line.split(b" ")[4]) == wanted for line in mounts)


def _unescaped(field: bytes) -> bytes:
    for code in (b"040", b"011", b"012", b"134"):
        field = field.replace(b"\\" + code, bytes([int(code, 8)]))
    return field


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _make_mount_point(target: Path, *, directory: bool) -> None:
    if directory:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
