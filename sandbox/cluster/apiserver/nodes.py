"""What the API server asks of kubelets: logs, running containers, ports of pods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from sandbox.cluster.api.errors import BadRequest, InternalError
from sandbox.cluster.api.objects import Object
from sandbox.cluster.kubelet.logs import LogOptions
from sandbox.cluster.kubelet.runtime import Container, PodSandbox


class NodeAgent(Protocol):
    """The kubelet of one node."""

    def container(self, namespace: str, pod: str, container: str) -> Container:
        """A running container. Raises ContainerNotFound (a LookupError)."""

    def pod(self, namespace: str, pod: str) -> PodSandbox:
        """A pod's sandbox. Raises ContainerNotFound (a LookupError)."""

    def logs(self, namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Pieces of a container's log. Raises LogUnavailable before the first piece."""


Nodes = Callable[[str], NodeAgent | None]
"""A node's name → its kubelet, or None when it does not answer."""


def agent_of(pod: Object, nodes: Nodes) -> NodeAgent:
    """The kubelet of the node that a pod is bound to. Raises BadRequest, InternalError."""
    name = pod["spec"].get("nodeName", "")
    if not name:
        raise BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    agent = nodes(name)
    if agent is None:
        raise InternalError(f'error dialing backend: the kubelet of node "{name}" does not answer')
    return agent


def container_name(pod: Object, asked: str, *, choose_first: bool = False) -> str:
    """The container that is meant when only one can be. Raises BadRequest."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [one["name"] for one in spec.get("containers") or ()]
    first_steps = [one["name"] for one in spec.get("initContainers") or ()]
    debuggers = [one["name"] for one in spec.get("ephemeralContainers") or ()]
    if asked:
        if asked not in containers + first_steps + debuggers:
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1 or (choose_first and containers):
        return str(containers[0])
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in containers:
        return str(default)
    choose = f"choose one of: [{' '.join(containers)}]"
    if first_steps:
        choose += f" or one of the init containers: [{' '.join(first_steps)}]"
    raise BadRequest(f"a container name must be specified for pod {name}, {choose}")
