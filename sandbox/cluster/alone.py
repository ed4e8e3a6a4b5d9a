"""A cluster on its own, outside of any sandbox of the platform: it makes namespaces for itself first.

Pods never touch the host: the cluster's process, its starter and all containers live in new user, mount, pid, network,
ipc and uts namespaces over read-only views of /usr and the images. Only the listening socket, made before, and the data
directory reach in.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from sandbox.cluster.api import schema
from sandbox.cluster.config import ClusterConfig
from sandbox.cluster.pki import write_kubeconfig
from sandbox.linux import idmap, layout, mount, namespaces, rootfs, skeleton, starter, syscalls
from sandbox.linux.cgroup import Group
from sandbox.linux.idmap import IdMapping
from sandbox.linux.layout import IdMode

_MIB = 1 << 20
_ROOT_SIZE = 8 * _MIB
_OURS_SIZE = 64 * _MIB
_TEMPORARY_SIZE = 64 * _MIB
_PODS_SIZE = 2048 * _MIB
_SLOT = 1023
"""The last of the id ranges that the platform's sandboxes count up from 0."""
_NODE_ROOT = layout.LEARNER / "node"
"""What hostPath volumes see: a small Debian of the cluster's own."""
_EMPTY = ("etc", "images", "root", "run", "sys/fs/cgroup", "tmp", "usr", "var/lib", "var/log", "var/tmp")
# Imported by name on first use somewhere: after the change of root nothing can be imported any more.
_LAZY = (
    "asyncio.subprocess",
    "concurrent.futures.thread",
    "cryptography.hazmat.backends.openssl.backend",
    "encodings.idna",
    "encodings.latin_1",
    "zoneinfo",
)
_TREES = {"usr": layout.SYSTEM_USR, "images": layout.IMAGES}

Serve = Callable[[ClusterConfig], int]


class CannotRunAlone(Exception):
    """This host does not let us; the message says what is missing."""


@dataclass(frozen=True)
class _Plan:
    mapping: IdMapping
    config: ClusterConfig
    sources: Mapping[str, Path]


def run(config: ClusterConfig, serve: Serve) -> int:
    """Run `serve` in namespaces of its own until it ends; SIGTERM and SIGINT are passed on. Raises CannotRunAlone."""
    images = config.images
    if images is None or not (images / "index.json").is_file():
        raise CannotRunAlone(f"There are no container images in {images}: make them with ./quayside image.")
    _preload()
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan = _Plan(idmap.choose_mapping(), config, {"usr": Path("/usr"), "images": images})
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid = namespaces.fork_into_new()
    except OSError as error:
        raise CannotRunAlone(f"New namespaces cannot be made here: {error.strerror}.") from error
    if pid == 0:
        ours.close()
        _be_cluster(plan, theirs, serve)
    theirs.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: _pass_on(pid, received))
    with ours:
        try:
            _hand_over(plan, pid, ours)
            _await_readiness(ours, config)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise CannotRunAlone(f"The cluster's namespaces cannot be set up: {error}.") from error
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _pass_on(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _preload() -> None:
    """Import everything, and read what is read from our own files: both are out of sight after the change of root."""
    for name in (*_LAZY, *_modules("sandbox.cluster"), *_modules("sandbox.linux")):
        importlib.import_module(name)
    schema.preload()
    gc.collect()


def _modules(package: str) -> Iterator[str]:
    module = importlib.import_module(package)
    yield package
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            yield found.name


def _hand_over(plan: _Plan, pid: int, channel: socket.socket) -> None:
    """Map the child's ids and give it views of the host's directories, as far as we can make them."""
    plan.mapping.write(pid, _SLOT)
    trees: dict[str, int] = {}
    if os.geteuid() == 0:
        owner = plan.mapping.owner(_SLOT)
        _give(plan.config.data, owner)
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        for name, path in plan.sources.items():
            source = mount.open_directory(path.resolve())
            trees[name], _ = idmap.read_only_tree(source, user_namespace=namespace)
            os.close(source)
        os.close(namespace)
    socket.send_fds(channel, [" ".join(["go", *trees]).encode()], list(trees.values()))
    for tree in trees.values():
        os.close(tree)


def _give(directory: Path, owner: int) -> None:
    """Make a directory and what is in it the cluster's own: it is root only inside."""
    for folder, names, files in os.walk(directory):
        for name in (".", *names, *files):
            os.lchown(Path(folder, name), owner, owner)


def _await_readiness(channel: socket.socket, config: ClusterConfig) -> None:
    """Put the kubeconfig in place when the cluster listens; it may also end before, and its exit code says why."""
    received = channel.recv(1 << 16)
    if received.startswith(b"failed "):
        raise OSError(received.removeprefix(b"failed ").decode())
    if received:
        write_kubeconfig(config.kubeconfig_path, received.decode())


def _be_cluster(plan: _Plan, channel: socket.socket, serve: Serve) -> NoReturn:
    """The child: process 1 of the new namespaces."""
    status = 1
    try:
        _enter(plan, channel)
        os.environ.clear()
        os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"})
        _fork_starter(plan.config.listener)
        config = replace(
            plan.config,
            data=layout.CLUSTER,
            unix_socket=layout.CLUSTER_SOCKET,
            kubeconfig=layout.CLUSTER_KUBECONFIG,
            images=layout.IMAGES,
            pods=layout.PODS,
            containers_socket=layout.STARTER_SOCKET,
            node_root=_NODE_ROOT,
            on_ready=lambda text: channel.sendall(text.encode()),
        )
        status = serve(config)
    except OSError as error:
        with suppress(OSError):
            channel.sendall(f"failed {error}".encode())
    except BaseException as error:  # noqa: BLE001 - the top of a process
        sys.stderr.write(f"the cluster ended: {error!r}\n")
    finally:
        sys.stderr.flush()
        os._exit(status & 255)


def _enter(plan: _Plan, channel: socket.socket) -> None:
    mode = plan.mapping.mode
    # Opened before the change of ids: afterwards we may not pass through the caller's directories.
    data = mount.open_directory(plan.config.data.resolve())
    opened = {name: mount.open_directory(path.resolve()) for name, path in plan.sources.items()}
    word, descriptors, _, _ = socket.recv_fds(channel, 4096, len(plan.sources))
    if not word:
        os._exit(1)
    trees = dict(zip(word.decode().split()[1:], descriptors, strict=True))
    namespaces.become_root(mode)
    _make_root(mode, data=data, opened=opened, trees=trees)
    namespaces.lock_mounts(mode)
    namespaces.set_up_network()
    syscalls.die_with_parent(signal.SIGKILL)
    rootfs.mount_root(_NODE_ROOT, upper=layout.LEARNER / "node.upper")


def _make_root(mode: IdMode, *, data: int, opened: Mapping[str, int], trees: Mapping[str, int]) -> None:
    root = Path("/tmp")
    mount.make_private()
    mount.memory(root, size=_ROOT_SIZE)
    for name in _EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, target in _TREES.items():
        place = _below(root, target)
        place.mkdir(parents=True, exist_ok=True)
        if name in trees:
            mount.attach(trees[name], place)
        else:
            mount.bind(f"/proc/self/fd/{opened[name]}", place)
            mount.read_only(place)
    _make_system(root, mode)
    mount.devices(root / "dev", has_tty_group=mode == "range")
    mount.proc(root / "proc")
    mount.memory(_below(root, layout.OURS), size=_OURS_SIZE, mode=0o700)
    mount.memory(_below(root, layout.LEARNER), size=_PODS_SIZE)
    mount.memory(root / "tmp", size=_TEMPORARY_SIZE, mode=0o1777)
    mount.bind(f"/proc/self/fd/{data}", _below(root, layout.CLUSTER))
    for descriptor in (data, *opened.values()):
        os.close(descriptor)
    mount.read_only(root)
    mount.enter_root(root)
    for directory in (layout.BUNDLES, layout.PODS, layout.VOLUMES):
        directory.mkdir(exist_ok=True)


def _make_system(root: Path, mode: IdMode) -> None:
    own = _below(root, layout.SYSTEM_SKELETON)
    own.mkdir(parents=True)
    skeleton.build(own, mode=mode)
    mount.bind(_below(root, layout.SYSTEM_USR), root / "usr")
    mount.bind(own / "etc", root / "etc")
    for link in own.iterdir():
        if link.is_symlink():
            (root / link.name).symlink_to(link.readlink())
    hidden = _below(root, layout.SYSTEM_HIDDEN)
    hidden.mkdir()
    # A whiteout: the host's /usr/local is its own business.
    os.mknod(hidden / "local", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    _below(root, layout.SYSTEM_TOOLS).mkdir()


def _fork_starter(api_listener: socket.socket | None) -> None:
    """Fork the starter before any event loop exists, so that it inherits none."""
    listener = starter.listen(layout.STARTER_SOCKET)
    if os.fork():
        listener.close()
        return
    try:
        if api_listener is not None:
            api_listener.close()
        starter.main(listener, groups={"learner": Group(), "pods": Group()}, entries={})
    finally:
        os._exit(1)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
