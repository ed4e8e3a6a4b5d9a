"""The API of metrics-server: `kubectl top`. It is served only while the addon is on, from samples of real usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from sandbox.cluster.api.clock import Clock, stamp
from sandbox.cluster.api.errors import MethodNotAllowed, NotFound
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.api.rates import Rate
from sandbox.cluster.api.selectors import parse_labels
from sandbox.cluster.apiserver.call import Call
from sandbox.cluster.apiserver.formats import respond
from sandbox.cluster.apiserver.messages import Response
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources.metrics import NODE_METRICS, POD_METRICS
from sandbox.cluster.resources.nodes import NODES
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.resource import Resource


class Samples(Protocol):
    """Where the figures come from."""

    @property
    def window(self) -> float:
        """Seconds between two samples."""

    def of_pods(self) -> Mapping[Key, Mapping[str, Rate]]:
        """By pod and container, what has been sampled twice."""

    def of_nodes(self) -> Mapping[str, Rate]:
        """By node."""


class Metrics:
    """Answers for both kinds."""

    def __init__(self, registry: Registry, samples: Samples, *, clock: Clock) -> None:
        self._registry = registry
        self._samples = samples
        self._clock = clock

    async def nodes(self, call: Call) -> Response:
        """`kubectl top nodes`."""
        rates = self._samples.of_nodes()
        found = ((node, rates[node["metadata"]["name"]]) for node in self._registry.list(NODES) if _known(node, rates))
        return self._answer(call, NODE_METRICS, [self._node(node, rate) for node, rate in found])

    async def pods(self, call: Call) -> Response:
        """`kubectl top pods`."""
        rates = self._samples.of_pods()
        objects = self._registry.list(PODS, namespace=call.path.namespace)
        found = [self._pod(pod, rates[_key(pod)]) for pod in objects if rates.get(_key(pod))]
        return self._answer(call, POD_METRICS, found)

    def _answer(self, call: Call, resource: Resource, objects: Sequence[Object]) -> Response:
        if call.verb == "get":
            one = next((obj for obj in objects if obj["metadata"]["name"] == call.path.name), None)
            if one is None:
                raise NotFound(resource, call.path.name)
            return respond(one, call.how)
        if call.verb != "list":
            raise MethodNotAllowed
        selector = parse_labels(call.request.parameter("labelSelector"))
        items = [obj for obj in objects if selector.matches(obj["metadata"].get("labels"))]
        kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return respond(kind | {"metadata": {}, "items": items}, call.how)

    def _node(self, node: Object, rate: Rate) -> Object:
        return self._head(NODE_METRICS, node) | {"usage": _usage([rate])}

    def _pod(self, pod: Object, rates: Mapping[str, Rate]) -> Object:
        containers = [{"name": name, "usage": _usage([rate])} for name, rate in sorted(rates.items())]
        return self._head(POD_METRICS, pod) | {"containers": containers}

    def _head(self, resource: Resource, about: Object) -> Object:
        now = stamp(self._clock.now())
        metadata = {
            name: about["metadata"][name] for name in ("name", "namespace", "labels") if about["metadata"].get(name)
        }
        return {
            "kind": resource.kind,
            "apiVersion": resource.api_version,
            "metadata": metadata | {"creationTimestamp": now},
            "timestamp": now,
            "window": f"{self._samples.window:g}s",
        }


def _known(node: Object, rates: Mapping[str, Rate]) -> bool:
    return node["metadata"]["name"] in rates


def _key(pod: Object) -> Key:
    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])


def _usage(rates: Iterable[Rate]) -> Object:
    listed = list(rates)
    return {
        "cpu": f"{round(sum(rate.cores for rate in listed) * 1e9)}n",
        "memory": f"{sum(rate.memory_bytes for rate in listed) // 1024}Ki",
    }
