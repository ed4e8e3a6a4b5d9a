"""The first process of a sandbox, from its first breath to the agent: makes the root, locks it, lets go of the host."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import ssl
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from sandbox.launch.plan import Entry, Object, Plan
from sandbox.linux import layout, mount, namespaces, skeleton, syscalls
from sandbox.linux.layout import Controller, SandboxFacts

_MIB = 1 << 20
_ROOT_SIZE = 8 * _MIB
_OURS_SIZE = 256 * _MIB
_TEMPORARY_SIZE = 16 * _MIB

# Ours are few but come in bursts (a crun for each container that starts); the learner's are in the plan.
OWN_PROCESSES = 512

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

_TREES = {
    "usr": layout.SYSTEM_USR,
    "skeleton": layout.SYSTEM_SKELETON,
    "tools": layout.SYSTEM_TOOLS,
    "images": layout.IMAGES,
}

_EMPTY_DIRECTORIES = ("etc", "images", "root", "run", "sys/fs/cgroup", "tmp", "usr", "var/lib", "var/log", "var/tmp")
# An empty /sys/fs/cgroup: crun looks at it, and refuses hosts that mix the two versions.


class StageFailed(OSError):
    """A stage of making the sandbox failed; `stage` says which."""

    def __init__(self, stage: str, error: OSError) -> None:
        super().__init__(error.errno, f"{stage}: {error.strerror or error}")
        self.stage = stage


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Give an error inside the name of what was being done."""
    try:
        yield
    except StageFailed:
        raise
    except OSError as error:
        raise StageFailed(name, error) from error


def be_sandbox(plan: Plan, *, channel: socket.socket, listener: socket.socket, log: int, entry: Entry) -> NoReturn:
    """Become the sandbox and run `entry` in it; tells over `channel` when it stands, or why it does not.

    Never returns: whatever the zygote had open is closed here by number, and its objects must never be finalised.
    """
    status = 1
    try:
        _forget_the_daemon({channel.fileno(), listener.fileno(), log}, log)
        facts = _make(plan, channel)
        channel.sendall(b'{"ready":true}')
        channel.close()
        status = entry(listener, facts)
    except StageFailed as error:
        _report(channel, {"stage": error.stage, "errno": error.errno, "error": str(error)})
    except BaseException as error:  # noqa: BLE001 - the top of a process: nobody above us could say why it ended
        _report(channel, {"stage": "agent", "errno": None, "error": f"{type(error).__name__}: {error}"})
        with suppress(OSError):
            os.write(2, f"process 1 ended: {error!r}\n".encode())
    finally:
        os._exit(status & 255)


def _report(channel: socket.socket, problem: Object) -> None:
    with suppress(OSError):
        channel.sendall(json.dumps(problem).encode())


def _forget_the_daemon(kept: set[int], log: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    low = 3
    for descriptor in sorted(kept - {0, 1, 2, log}):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 65536)
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    # Every sandbox's first process has number 1, and OpenSSL tells forks apart by their number.
    ssl.RAND_add(os.urandom(32), 32.0)


def _make(plan: Plan, channel: socket.socket) -> SandboxFacts:
    with stage("open the host's directories"):
        # Before the change of ids: afterwards we may not pass through directories of the platform's user.
        opened = {name: mount.open_directory(path) for name, path in plan.sources.items()}
    go, trees = _wait_for_parent(channel)
    with stage("take the mapped ids"):
        namespaces.become_root(plan.mode)
    _make_root(plan, opened=opened, trees=trees)
    with stage("second user namespace"):
        namespaces.lock_mounts(plan.mode)
    with stage("network"):
        namespaces.set_up_network()
    if "pids" not in plan.cgroups:
        with stage("limit processes"):
            namespaces.limit_processes(plan.limits.processes + OWN_PROCESSES)
    syscalls.set_process_name("agent")
    syscalls.die_with_parent(signal.SIGKILL)
    _check_parent_lives(channel)
    inside: Mapping[Controller, str] = {name: str(_cgroup_inside(plan, name)) for name in plan.cgroups}
    return plan.facts(system_writable=bool(go.get("mapped")), cgroups=inside)


def _wait_for_parent(channel: socket.socket) -> tuple[Object, dict[str, int]]:
    """The parent's word that our ids are mapped, and the trees that it could make for us."""
    payload, descriptors, _, _ = socket.recv_fds(channel, 4096, len(_TREES))
    if not payload:
        os._exit(1)  # the daemon has ended: there is nobody to tell
    go: Object = json.loads(payload)
    return go, dict(zip(go["trees"], descriptors, strict=True))


def _check_parent_lives(channel: socket.socket) -> None:
    """The kernel kills us with the daemon from now on; had it ended just before, its end of the channel is closed."""
    poll = select.poll()
    poll.register(channel, select.POLLRDHUP)
    if poll.poll(0):
        os._exit(1)


def _make_root(plan: Plan, *, opened: dict[str, int], trees: dict[str, int]) -> None:
    root = Path("/tmp")
    with stage("private mounts"):
        mount.make_private()
    with stage("mount a tmpfs"):
        mount.memory(root, size=_ROOT_SIZE)
    for name in _EMPTY_DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    with stage("mount the system"):
        _mount_trees(root, opened=opened, trees=trees)
        _mount_system(root, plan)
    with stage("mount devices"):
        mount.devices(root / "dev", has_tty_group=plan.mode == "range")
    with stage("mount proc"):
        mount.proc(root / "proc")
    with stage("mount a tmpfs"):
        mount.memory(_below(root, layout.OURS), size=_OURS_SIZE, mode=0o700)
        mount.memory(_below(root, layout.LEARNER), size=plan.limits.disk_mib * _MIB)
        mount.memory(root / "tmp", size=_TEMPORARY_SIZE, mode=0o1777, inodes=4000)
    with stage("bind control groups"):
        for name, path in plan.cgroups.items():
            mount.bind(path, _below(root, _cgroup_inside(plan, name)))
    with stage("enter the root"):
        mount.read_only(root)
        mount.enter_root(root)
    for directory in (layout.BUNDLES, layout.CLUSTER, layout.SHELL, layout.PODS, layout.VOLUMES):
        directory.mkdir(exist_ok=True)


def _mount_trees(root: Path, *, opened: dict[str, int], trees: dict[str, int]) -> None:
    for name, target in _TREES.items():
        place = _below(root, target)
        place.mkdir(parents=True, exist_ok=True)
        if name in trees:
            mount.attach(trees[name], place)
        elif name in opened:
            mount.bind(f"/proc/self/fd/{opened[name]}", place)
            mount.read_only(place)
    for descriptor in opened.values():
        os.close(descriptor)


def _mount_system(root: Path, plan: Plan) -> None:
    """Our own processes' view of the trees, and the layer of whiteouts."""
    own_skeleton = _below(root, layout.SYSTEM_SKELETON)
    if "skeleton" not in plan.sources:
        skeleton.build(own_skeleton, mode=plan.mode)
    mount.bind(_below(root, layout.SYSTEM_USR), root / "usr")
    mount.bind(own_skeleton / "etc", root / "etc")
    mount.read_only(root / "etc")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (own_skeleton / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    hidden = _below(root, layout.SYSTEM_HIDDEN)
    hidden.mkdir(exist_ok=True)
    os.mknod(hidden / "local", 0o600 | stat.S_IFCHR, os.makedev(0, 0))


def _cgroup_inside(plan: Plan, controller: Controller) -> Path:
    """v1 has a directory a controller, v2 one for all."""
    return layout.CGROUPS / ("unified" if plan.cgroup_version == 2 else controller)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
