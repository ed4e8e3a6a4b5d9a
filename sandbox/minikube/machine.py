"""What the `minikube` command needs of the sandbox's cluster: a seam, so that the command can be tested without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Object = dict[str, Any]

State = Literal["absent", "starting", "running", "paused", "stopped"]


class MachineError(Exception):
    """The cluster could not do what was asked; the message is a sentence for the learner."""


@dataclass(frozen=True)
class Settings:
    """What `minikube start` was asked for; kept until `minikube delete`, so that a later start has the same."""

    nodes: int = 1
    """The highest number that a node has; the first is the control plane's."""
    addons: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """What the learner gave besides (cpus, memory, driver …), as given; the cluster does not act on it."""
    deleted: tuple[int, ...] = ()
    """Numbers of nodes that are no more."""
    stopped: tuple[int, ...] = ()
    """Numbers of nodes that are switched off."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The nodes that there are, on or off."""
        return tuple(number for number in range(1, self.nodes + 1) if number not in self.deleted)

    @property
    def wanted(self) -> tuple[int, ...]:
        """The nodes that are on."""
        return tuple(number for number in self.numbers if number not in self.stopped)


@dataclass(frozen=True)
class Node:
    """One node of the cluster."""

    name: str
    address: str
    running: bool
    control_plane: bool = True
    number: int = 1


@dataclass(frozen=True)
class Status:
    """What the cluster is now."""

    state: State
    settings: Settings = Settings()
    nodes: tuple[Node, ...] = ()
    """All nodes, also of a stopped cluster; empty when absent."""
    kubeconfig: Object | None = None
    """The admin's kubeconfig as an object, once the cluster has made its certificates."""


class Machine(Protocol):
    """Starts, stops and reaches the sandbox's one cluster. Implemented by the agent."""

    async def status(self) -> Status:
        """What there is now; never waits for the cluster."""

    async def start(self, settings: Settings) -> None:
        """Start the cluster's process and return at once; what runs becomes as `settings` want. Raises MachineError.

        Unpauses a paused one. `status()` and `request()` tell how far it has come.
        """

    async def stop(self, *, pause: bool = False) -> None:
        """End the cluster and its pods, keeping what is stored; with `pause` stop only answering, pods run on."""

    async def delete(self) -> None:
        """End the cluster and forget everything it stored; deleting what is absent is no error."""

    async def request(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        """One request to the API server as admin: status and decoded answer (`{"text": …}` when it is not JSON).

        Raises OSError while nothing answers.
        """
