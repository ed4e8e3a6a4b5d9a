"""The parent's half of making a sandbox: fork it, map its ids, put it in its groups, hand it its view of the host."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.backend import SandboxSpec
from sandbox.launch import inside
from sandbox.launch.host import Host
from sandbox.launch.plan import Entry, Plan
from sandbox.linux import idmap, mount, namespaces
from sandbox.linux.cgroup import Group

_OOM_SCORE = 500
"""When the host itself runs out of memory, sandboxes die before the site and the launcher (which are at 0)."""


@dataclass
class Newborn:
    """A sandbox whose first process is on its way."""

    pid: int
    process: int
    """A pidfd: readable once the process has ended."""
    channel: socket.socket
    """Tells when it stands, or why not."""
    log: int
    """What the sandbox's own processes print, non-blocking."""
    group: Group


def bear(host: Host, name: str, spec: SandboxSpec, *, slot: int, listener: socket.socket, entry: Entry) -> Newborn:
    """Fork a sandbox; it goes on by itself. Raises OSError with nothing left behind."""
    whole = host.cgroups.below(name)
    try:
        ours, theirs = host.group_for(name, spec.limits, host.mapping.owner(slot))
        plan = Plan(
            name=name,
            user=spec.user,
            limits=spec.limits,
            mode=host.mapping.mode,
            sources=host.sources(),
            cgroups=theirs.directories,
            cgroup_version=theirs.version if theirs.directories else 0,
        )
        return _fork(host, plan, slot=slot, ours=ours, whole=whole, listener=listener, entry=entry)
    except OSError:
        whole.remove()
        raise


def _fork(
    host: Host, plan: Plan, *, slot: int, ours: Group, whole: Group, listener: socket.socket, entry: Entry
) -> Newborn:
    parent_end, child_end = socket.socketpair()
    log_read, log_write = os.pipe2(os.O_CLOEXEC)
    try:
        pid = namespaces.fork_into_new()
    except OSError:
        parent_end.close()
        child_end.close()
        os.close(log_read)
        os.close(log_write)
        raise
    if pid == 0:
        inside.be_sandbox(plan, channel=child_end, listener=listener, log=log_write, entry=entry)
    child_end.close()
    os.close(log_write)
    process = os.pidfd_open(pid)
    try:
        _die_first(pid)
        ours.enter(pid)
        host.mapping.write(pid, slot)
        _hand_over(host, plan, pid, parent_end)
    except OSError:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        os.waitpid(pid, 0)
        parent_end.close()
        os.close(log_read)
        os.close(process)
        raise
    parent_end.settimeout(0)
    os.set_blocking(log_read, False)
    return Newborn(pid, process, parent_end, log_read, whole)


def _die_first(pid: int) -> None:
    """Nothing inside can lower it again where we have CAP_SYS_RESOURCE; elsewhere to 0, which we have ourselves."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(_OOM_SCORE))


def _hand_over(host: Host, plan: Plan, pid: int, channel: socket.socket) -> None:
    """Say that the ids are mapped, and send the trees if we can make any."""
    trees: dict[str, int] = {}
    try:
        if host.mounts_for_others:
            namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                for name, path in plan.sources.items():
                    source = mount.open_directory(path)
                    try:
                        trees[name], _ = idmap.read_only_tree(source, user_namespace=namespace)
                    finally:
                        os.close(source)
            finally:
                os.close(namespace)
        go = {"trees": list(trees), "mapped": host.idmapped}
        socket.send_fds(channel, [json.dumps(go).encode()], list(trees.values()))
    finally:
        for tree in trees.values():
            os.close(tree)
