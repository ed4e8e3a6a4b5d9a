"""What this host lets us do: found out once, at the daemon's start, by trying."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.backend import Limits
from sandbox.launch.belongings import Belongings, key_of
from sandbox.launch.inside import OWN_PROCESSES
from sandbox.linux import cgroup, idmap, mount, namespaces, skeleton, syscalls
from sandbox.linux.cgroup import Group
from sandbox.linux.idmap import IdMapping

_OWN_MEMORY = 512 << 20
"""For agent, starter and cluster of one sandbox: some 20 MiB in practice, more with thousands of objects stored."""

_CACHE = Path("/var/cache/quayside")


@dataclass(frozen=True)
class Host:
    """The ways that were found."""

    mapping: IdMapping
    mounts_for_others: bool
    """Whether we may make mounts outside and hand them in (CAP_SYS_ADMIN); else the sandbox binds what it can reach."""
    idmapped: bool
    """Whether the owners of the host's files can be mapped; else /usr and images cannot be changed by a learner."""
    cgroups: Group
    """The group in which every sandbox gets one; without directories when the host gives us none."""
    data: Path
    """The platform's directory, of which images/ and tools/ are shown. The site's own user may write there."""
    belongings: Belongings | None
    skeleton: Path | None
    """Made by the daemon for all sandboxes when its owners can be mapped; else each makes its own (some ms)."""

    def sources(self) -> dict[str, Path]:
        """Host directories by what they are inside a sandbox."""
        found = {"usr": Path("/usr"), "images": self.data / "images", "tools": self.data / "tools"}
        if self.skeleton is not None:
            found["skeleton"] = self.skeleton
        return {name: path for name, path in found.items() if path.is_dir() and not path.is_symlink()}

    def let_go(self) -> None:
        """Remove what was made for the daemon's life."""
        self.cgroups.remove()
        if self.belongings is not None:
            self.belongings.let_go()

    def not_enforced(self) -> list[str]:
        """What a learner is not kept from here, each in a sentence without its full stop."""
        said = []
        if "memory" not in self.cgroups.directories:
            said.append("Memory is watched by the agent, not limited by the kernel: a limit can be passed for a moment")
        if "cpu" not in self.cgroups.directories:
            said.append("Processor time is not limited")
        if "pids" not in self.cgroups.directories and not namespaces.processes_can_be_limited():
            said.append("The number of processes is not limited before Linux 6.14")
        if self.mapping.mode == "single":
            said.append("All users of a sandbox are one: the platform's own user")
        if not self.idmapped:
            said.append("Learners cannot change files below /usr")
        return said

    def group_for(self, name: str, limits: Limits, owner: int) -> tuple[Group, Group]:
        """A sandbox's group for our own processes, and the delegated one for the learner and the pods."""
        whole = self.cgroups.child(name)
        ours = whole.child("ours", memory=_OWN_MEMORY, processes=OWN_PROCESSES)
        memory = limits.memory_mib << 20
        theirs = whole.child("learner", memory=memory, cpus=limits.cpus, processes=limits.processes)
        for part in ("shell", "pods"):
            theirs.child(part).delegate(owner)
        if theirs.version == 2:
            # To move a process one must be allowed to write to the nearest group above both ends.
            for path in set(whole.directories.values()):
                os.chown(path / "cgroup.procs", owner, owner)
        return ours, theirs


def find(data: Path, *, socket: Path) -> Host:
    """Try what can be had. `socket` is the daemon's, and names what it leaves outside its own directory."""
    mapping = idmap.choose_mapping()
    mounts_for_others, idmapped = _try_trees(mapping)
    belongings = Belongings.claim(_CACHE, socket) if os.geteuid() == 0 else None
    return Host(
        mapping=mapping,
        mounts_for_others=mounts_for_others,
        idmapped=idmapped,
        cgroups=_own_group(key_of(socket), belongings.orphans if belongings else ()),
        data=data,
        belongings=belongings,
        skeleton=_build_skeleton(belongings.path) if idmapped and belongings else None,
    )


def _build_skeleton(place: Path) -> Path | None:
    """Not below the data directory: whoever may write there could lead root's writes and reads elsewhere by a link."""
    made = place / "skeleton"
    try:
        made.mkdir()
        skeleton.build(made, mode="range")
    except OSError:
        return None
    return made


def _try_trees(mapping: IdMapping) -> tuple[bool, bool]:
    if os.geteuid() != 0:
        return False, False
    gate_in, gate_out = os.pipe()
    pid = syscalls.clone(syscalls.CLONE_NEWUSER | signal.SIGCHLD)
    if pid == 0:
        os.close(gate_out)
        os.read(gate_in, 1)
        os._exit(0)
    try:
        mapping.write(pid, 0)
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        usr = mount.open_directory(Path("/usr"))
        try:
            tree, mapped = idmap.read_only_tree(usr, user_namespace=namespace)
        finally:
            os.close(usr)
            os.close(namespace)
        os.close(tree)
    except OSError:
        return False, False
    finally:
        os.close(gate_in)
        os.close(gate_out)
        os.waitpid(pid, 0)
    return True, mapped


def _own_group(key: str, orphans: Sequence[str]) -> Group:
    """The group for all sandboxes of this daemon, or one without directories."""
    mounts, membership = Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    for found in cgroup.candidates(mounts=mounts, membership=membership):
        try:
            if found.version == 2:
                _leave_root(found)
            for orphan in orphans:
                found.below(f"quayside-{orphan}").remove()
            group = found.child(f"quayside-{key}")
            _check_usable(group)
        except OSError:
            continue
        return group
    return Group()


def _leave_root(group: Group) -> None:
    """v2 gives controllers only to groups whose parent holds no process: ours moves into one of its own."""
    for path in set(group.directories.values()):
        if (path / "cgroup.type").exists():  # the hierarchy's root has no type and may hold processes
            Group(group.directories, 2)
            own = path / "daemon"
            own.mkdir(exist_ok=True)
            (own / "cgroup.procs").write_text("0")


def _check_usable(group: Group) -> None:
    probe = group.child("probe", memory=64 << 20, processes=64, cpus=1.0)
    with suppress(OSError):
        probe.child("inner")
    probe.remove()
