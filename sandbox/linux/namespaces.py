"""The namespaces of a sandbox: the six it is born with, and the second user namespace that locks its mounts."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from sandbox.linux import idmap, syscalls
from sandbox.linux.layout import HOSTNAME, NODE_ADDRESS, IdMode
from sandbox.linux.netlink import Netlink
from sandbox.linux.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

_LOOPBACK = 1
"""Its index in every network namespace."""

_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",
    "net/ipv4/ip_unprivileged_port_start": "0",
}


def fork_into_new() -> int:
    """Fork a child that is process 1 of new namespaces of every kind but cgroup: 0 there, its pid here."""
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    return syscalls.clone(flags | signal.SIGCHLD)


def become_root(mode: IdMode) -> None:
    """Take the ids that the parent has mapped for us."""
    if mode == "range":
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    syscalls.own_proc_entry()


def lock_mounts(mode: IdMode) -> None:
    """Go into a second user namespace with the same ids, whose mounts so far can be neither removed nor made writable.

    Without it, in user mode, root of the sandbox could remount the views of the host's files read-write, and is
    the very user that owns them.
    """
    gate_in, gate_out = os.pipe()
    answer_in, answer_out = os.pipe()
    process = os.getpid()
    helper = os.fork()
    if helper == 0:
        _write_identity_maps(process, mode, gate_in, answer_out)
    os.close(answer_out)
    syscalls.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
    os.write(gate_out, b"x")
    answer = os.read(answer_in, 200)
    os.waitpid(helper, 0)
    for descriptor in (gate_in, gate_out, answer_in):
        os.close(descriptor)
    if answer != b"done":
        raise idmap.NoIds(1, f"second user namespace: {answer.decode(errors='replace')}")


def _write_identity_maps(process: int, mode: IdMode, gate: int, answer: int) -> None:
    """In a helper that has stayed outside: maps can only be written from the parent namespace."""
    try:
        os.read(gate, 1)
        if mode == "single":
            Path(f"/proc/{process}/setgroups").write_text("deny")
        for kind in ("uid", "gid"):
            lines = idmap.identity(Path(f"/proc/self/{kind}_map").read_text())
            Path(f"/proc/{process}/{kind}_map").write_text("\n".join(lines))
        os.write(answer, b"done")
    except OSError as error:
        os.write(answer, str(error).encode()[:200])
    finally:
        os._exit(0)


def set_up_network() -> None:
    """Loopback up, the node's address on it, and what a router of pods needs; there is no link to anywhere."""
    socket.sethostname(HOSTNAME)
    with Netlink() as link:
        link.up(_LOOPBACK)
        link.add_address(_LOOPBACK, NODE_ADDRESS)
    for name, value in _SYSCTLS.items():
        Path("/proc/sys", name).write_text(value)


def processes_can_be_limited() -> bool:
    """Whether a pid namespace has a limit of its own; before Linux 6.14 the number is the whole host's."""
    release = os.uname().release.split(".")
    return tuple(int(part) for part in release[:2] if part.isdigit()) >= (6, 14)


def limit_processes(most: int) -> None:
    """Bound the processes of this pid namespace, where it has a limit of its own."""
    if processes_can_be_limited():
        Path("/proc/sys/kernel/pid_max").write_text(str(max(most, 512)))
