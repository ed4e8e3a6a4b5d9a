"""Control groups, v1, v2 or a mix of both: the daemon delegates a part to each sandbox, the sandbox divides it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox.linux.layout import Controller, SandboxFacts

CONTROLLERS: tuple[Controller, ...] = ("memory", "pids", "cpu")
Version = Literal[0, 1, 2]
_PERIOD = 100_000
"""Microseconds over which a share of the processor is granted: the kernel's default."""


@dataclass(frozen=True)
class Group:
    """One control group: a directory a controller (with v2 the same one). Without any, every method does nothing."""

    directories: Mapping[Controller, Path] = field(default_factory=dict)
    version: Version = 0

    def child(
        self, name: str, *, memory: int | None = None, cpus: float | None = None, processes: int | None = None
    ) -> Group:
        """Make a group inside this one, with limits of its own; making it twice only sets the limits again."""
        if self.version == 2 and self.directories:
            self._hand_down_controllers()
        group = self.below(name)
        for path in set(group.directories.values()):
            path.mkdir(exist_ok=True)
        group.limit(memory=memory, cpus=cpus, processes=processes)
        return group

    def below(self, name: str) -> Group:
        """The group of that name inside this one, whether it exists or not."""
        return Group({controller: path / name for controller, path in self.directories.items()}, self.version)

    def limit(self, *, memory: int | None = None, cpus: float | None = None, processes: int | None = None) -> None:
        """Set the limits that are given."""
        v2 = self.version == 2
        if memory is not None:
            self._write("memory", "memory.max" if v2 else "memory.limit_in_bytes", str(memory))
            # Swap would let a group outgrow its limit; kernels without swap accounting lack the file.
            swap = ("memory.swap.max", "0") if v2 else ("memory.memsw.limit_in_bytes", str(memory))
            self._write("memory", *swap, needed=False)
        if processes is not None:
            self._write("pids", "pids.max", str(processes))
        if cpus is not None:
            quota = max(1000, int(cpus * _PERIOD))
            self._write("cpu", "cpu.max" if v2 else "cpu.cfs_quota_us", f"{quota} {_PERIOD}" if v2 else str(quota))

    def enter(self, pid: int = 0) -> None:
        """Move a process in; 0 is the caller, which needs no right over anybody else (do it between fork and exec)."""
        for path in set(self.directories.values()):
            (path / "cgroup.procs").write_text(str(pid))

    def processes(self) -> Sequence[int]:
        """Processes in it and in the groups inside it."""
        found: set[int] = set()
        for path in set(self.directories.values()):
            for procs in (path / "cgroup.procs", *path.rglob("cgroup.procs")):
                with suppress(OSError):
                    found.update(int(line) for line in procs.read_text().split())
        return sorted(found)

    def oom_kills(self) -> int:
        """How many processes the kernel has killed in it for want of memory."""
        text = self._read("memory", "memory.events" if self.version == 2 else "memory.oom_control") or ""
        counts = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
        return int(counts.get("oom_kill", 0))

    def memory(self) -> int | None:
        """Bytes in use, or None when nobody counts."""
        text = self._read("memory", "memory.current" if self.version == 2 else "memory.usage_in_bytes")
        return None if text is None else int(text)

    def cpu_nanoseconds(self) -> int | None:
        """Processor time used so far, or None when nobody counts."""
        if self.version == 2:
            text = self._read("cpu", "cpu.stat")
            counts = dict(line.split() for line in (text or "").splitlines())
            return int(counts["usage_usec"]) * 1000 if "usage_usec" in counts else None
        text = self._read("cpu", "cpuacct.usage")
        return None if text is None else int(text)

    def delegate(self, owner: int) -> None:
        """Let the host's user `owner` move processes in and make groups inside, but not change the limits."""
        for path in set(self.directories.values()):
            for name in ("", "cgroup.procs", "cgroup.subtree_control", "tasks"):
                with suppress(FileNotFoundError):
                    os.chown(path / name, owner, owner)

    def remove(self) -> None:
        """Remove it and all inside; groups that still hold processes are left. Removing twice is no error."""
        for path in set(self.directories.values()):
            _remove_tree(path)

    def _hand_down_controllers(self) -> None:
        control = next(iter(self.directories.values())) / "cgroup.subtree_control"
        wanted = [controller for controller in self.directories if controller not in control.read_text().split()]
        if wanted:
            control.write_text(" ".join(f"+{controller}" for controller in wanted))

    def _write(self, controller: Controller, name: str, text: str, *, needed: bool = True) -> None:
        path = self.directories.get(controller)
        if path is None:
            return
        try:
            (path / name).write_text(text)
        except OSError:
            if needed:
                raise

    def _read(self, controller: Controller, name: str) -> str | None:
        path = self.directories.get(controller)
        if path is None:
            return None
        try:
            return (path / name).read_text()
        except OSError:
            return None


def of_sandbox(facts: SandboxFacts) -> Group:
    """The delegated group as the sandbox's own processes see it, with the groups `shell` and `pods` inside."""
    return Group({controller: Path(path) for controller, path in facts.cgroups.items()}, facts.cgroup_version)


def candidates(*, mounts: str, membership: str) -> Sequence[Group]:
    """Groups of this process that may be divided, best first, from /proc/self/mountinfo and /proc/self/cgroup.

    v1 controllers win over v2 where both are mounted (hybrid): then v2 has no controllers to give. With v2 the whole
    hierarchy is the second choice: our own group cannot be divided while others' processes are in it.
    """
    v1 = _find_v1(mounts, membership)
    if v1:
        return [Group(v1, 1)]
    found = []
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.split()[0] != "cgroup2":
            continue
        root, point = fields.split()[3:5]
        for path in dict.fromkeys([_inside(Path(point), root, _path_of(membership, "0::")), Path(point)]):
            available = _words(path / "cgroup.controllers")
            directories = {controller: path for controller in CONTROLLERS if controller in available}
            if directories:
                found.append(Group(directories, 2))
    return found


def _find_v1(mounts: str, membership: str) -> dict[Controller, Path]:
    found: dict[Controller, Path] = {}
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.split()[0] != "cgroup":
            continue
        root, point = fields.split()[3:5]
        for controller in CONTROLLERS:
            if controller not in kind.split()[2].split(","):
                continue
            path = _inside(Path(point), root, _path_of(membership, controller))
            if os.access(path, os.W_OK):
                found[controller] = path
    return found


def _inside(point: Path, root: str, path: str) -> Path:
    """Where a group's path lies below a mount that may show only a part of the hierarchy."""
    relative = path[len(root) :] if root != "/" and path.startswith(root) else path
    inside = point / relative.lstrip("/")
    return inside if inside.is_dir() else point


def _path_of(membership: str, controller: str) -> str:
    for line in membership.splitlines():
        if controller == "0::":
            if line.startswith("0::"):
                return line[3:]
        elif controller in line.split(":", 2)[1].split(","):
            return line.split(":", 2)[2]
    return "/"


def _words(path: Path) -> Sequence[str]:
    try:
        return path.read_text().split()
    except OSError:
        return ()


def _remove_tree(path: Path) -> None:
    with suppress(OSError):
        for entry in path.iterdir():
            if entry.is_dir():
                _remove_tree(entry)
    with suppress(OSError):
        path.rmdir()
