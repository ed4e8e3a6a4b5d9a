"""System calls that Python 3.11 has no function for: the only file with ctypes, numbers and struct layouts."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_IDMAP = 0x10_0000

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

# Calls newer than about 2019 have one number everywhere; the older ones differ.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_OLDER_CALLS = {"x86_64": {"clone": 56, "pivot_root": 155}, "aarch64": {"clone": 220, "pivot_root": 41}}

_libc = ctypes.CDLL(None, use_errno=True)
# A child must not be made while another thread may hold the interpreter's lock: PyDLL keeps it during the call.
_libc_holding_the_lock = ctypes.PyDLL(None, use_errno=True)


class UnsupportedMachine(OSError):
    """The processor is none of those whose system call numbers we know."""


def _number(call: str) -> int:
    numbers = _OLDER_CALLS.get(platform.machine())
    if numbers is None:
        raise UnsupportedMachine(f"sandboxes are made on x86_64 and aarch64 only, this is {platform.machine()}")
    return numbers[call]


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments), what)


def clone(flags: int) -> int:
    """Fork into new namespaces: 0 in the child, its pid in the parent. `flags` are CLONE_NEW* and the exit signal."""
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    # The exit signal travels in the flags; no stack means that the child goes on with a copy of ours, as fork does.
    pid = _libc_holding_the_lock.syscall(ctypes.c_long(_number("clone")), ctypes.c_long(flags), None, None, None, None)
    number = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return int(pid)


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int = 0) -> None:
    """Enter the namespace that the descriptor names."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str | None, target: Path | str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _checked(result, f"mount {kind or 'bind'} {source or ''} at {target}")


def umount(target: Path | str, flags: int = 0) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(os.fsencode(target), flags), f"unmount {target}")


def pivot_root(new_root: Path | str, put_old: Path | str) -> None:
    """pivot_root(2); with `.` twice the old root lies under the new one and can be detached."""
    _syscall("pivot_root", _number("pivot_root"), os.fsencode(new_root), os.fsencode(put_old))


def open_tree(directory: int) -> int:
    """A detached copy of the mount that the directory lies on, starting there; a descriptor for `move_mount`."""
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH)
    return _syscall("open_tree", _OPEN_TREE, directory, b"", flags)


def mount_setattr(tree: int, attributes: int, *, user_namespace: int = 0) -> None:
    """Set MOUNT_ATTR_* on a detached tree; with MOUNT_ATTR_IDMAP owners are mapped by `user_namespace`."""
    wanted = struct.pack("=QQQQ", attributes, 0, 0, user_namespace)
    _syscall(
        "mount_setattr", _MOUNT_SETATTR, tree, b"", ctypes.c_uint(_AT_EMPTY_PATH), wanted, ctypes.c_size_t(len(wanted))
    )


def move_mount(tree: int, target: Path | str) -> None:
    """Attach a detached tree at `target`."""
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    _syscall(f"move_mount to {target}", _MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), flags)


def _prctl(what: str, option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), what)


def die_with_parent(signal: int) -> None:
    """Have the kernel send `signal` when the parent ends. Every change of ids clears this: call it after the last."""
    _prctl("prctl(PDEATHSIG)", _PR_SET_PDEATHSIG, signal)


def own_proc_entry() -> None:
    """Give /proc/self back to the process' own user: a change of ids had taken it away."""
    _prctl("prctl(DUMPABLE)", _PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent ends."""
    _prctl("prctl(CHILD_SUBREAPER)", _PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    """From now on no program gains rights by set-uid bits or file capabilities."""
    _prctl("prctl(NO_NEW_PRIVS)", _PR_SET_NO_NEW_PRIVS, 1)


def set_process_name(name: str) -> None:
    """What `ps` shows as the command's name; at most 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _checked(_libc.prctl(_PR_SET_NAME, buffer, 0, 0, 0), "prctl(NAME)")
