"""What is decided about a sandbox before its first process exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any, Literal

from sandbox.backend import Limits, SandboxSpec
from sandbox.linux.layout import Controller, IdMode, SandboxFacts

Object = dict[str, Any]

Entry = Callable[[socket, SandboxFacts], int]
"""What runs as process 1 once the sandbox stands: the agent's main function."""

_MIB = 1 << 20
_BOUNDS = {"memory_mib": (32, 1 << 20), "processes": (16, 32768), "files": (64, 1 << 20), "disk_mib": (8, 1 << 20)}


class BadSpec(ValueError):
    """The caller asked for something that no sandbox can have; the message says what."""


@dataclass(frozen=True)
class Plan:
    """Everything that the child must know; made by the parent, which alone knows the host."""

    name: str
    user: Literal["root", "learner"]
    limits: Limits
    mode: IdMode
    sources: Mapping[str, Path]
    """Host directories by what they are inside: usr, images, tools and, when the daemon could make it, skeleton."""
    devices: Path = Path("/dev")
    cgroups: Mapping[Controller, Path] = field(default_factory=dict)
    """The delegated directories as the host sees them."""
    cgroup_version: Literal[0, 1, 2] = 0

    def facts(self, *, system_writable: bool, cgroups: Mapping[Controller, str]) -> SandboxFacts:
        """What the agent is told in the end."""
        return SandboxFacts(
            name=self.name,
            user=self.user,
            memory_bytes=self.limits.memory_mib * _MIB,
            cpus=self.limits.cpus,
            processes=self.limits.processes,
            files=self.limits.files,
            disk_bytes=self.limits.disk_mib * _MIB,
            id_mode=self.mode,
            system_writable=system_writable,
            cgroups=cgroups,
            cgroup_version=self.cgroup_version,
            watchdog="memory" not in cgroups,
        )


def spec_to_wire(spec: SandboxSpec) -> Object:
    """A spec as JSON."""
    limits = spec.limits
    return {
        "user": spec.user,
        "memory_mib": limits.memory_mib,
        "cpus": limits.cpus,
        "processes": limits.processes,
        "files": limits.files,
        "disk_mib": limits.disk_mib,
    }


def spec_from_wire(given: Object) -> SandboxSpec:
    """The spec in a request. Raises BadSpec."""
    user = given.get("user", "root")
    if user not in ("root", "learner"):
        raise BadSpec("user must be root or learner")
    cpus = given.get("cpus", Limits.cpus)
    if isinstance(cpus, bool) or not isinstance(cpus, int | float) or not 0.05 <= cpus <= 1024:
        raise BadSpec("cpus must be a number from 0.05 to 1024")
    numbers = {name: _bounded(given, name) for name in _BOUNDS}
    return SandboxSpec(user="root" if user == "root" else "learner", limits=Limits(cpus=float(cpus), **numbers))


def _bounded(given: Object, name: str) -> int:
    least, most = _BOUNDS[name]
    value = given.get(name, getattr(Limits, name))
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadSpec(f"{name} must be a whole number from {least} to {most}")
    return value
