"""metrics-server: served and shown while it is on, and only then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.cluster.addons import Addons
from sandbox.cluster.api.objects import Key, Object
from sandbox.cluster.kubelet.kubelet import Kubelet
from sandbox.cluster.node_pool import Identity
from sandbox.cluster.resources.metrics import NODE_METRICS, POD_METRICS
from sandbox.cluster.resources.pods import PODS
from sandbox.cluster.resources.resource import Resource
from sandbox.cluster.resources.services import SERVICES
from sandbox.cluster.usage import Sampler
from tests.sandbox.cluster.simulation import Simulation, simulation


class Agents:
    """The simulation's one node."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet

    def names(self) -> list[str]:
        return ["minikube"]

    def agent(self, _name: str) -> Kubelet:
        return self._kubelet


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Simulation]:
    async with simulation(tmp_path) as made:
        yield made


async def test_it_is_there_while_it_is_on(cluster: Simulation) -> None:
    served: list[Resource] = []
    sampler = Sampler(Agents(cluster.kubelet), clock=cluster.clock)
    addons = Addons(
        cluster.registry,
        node=Identity(1, "minikube", "192.168.49.2"),
        sampler=sampler,
        served=served,
        clock=cluster.clock,
    )
    cluster.create_pod("web")
    await cluster.advance(1)
    await addons.become([])
    assert served == []
    await addons.become(["metrics-server", "unknown"])
    await addons.become(["metrics-server"])  # twice is once
    await cluster.advance(11)
    assert served == [NODE_METRICS, POD_METRICS]
    assert [pod["metadata"]["name"][:15] for pod in shown(cluster)] == ["metrics-server-"]
    assert cluster.registry.exists(SERVICES, Key("kube-system", "metrics-server"))
    assert sampler.of_pods()[Key("default", "web")]["c"].memory_bytes == 1 << 20
    assert set(sampler.of_nodes()) == {"minikube"}
    await addons.become([])
    await cluster.settle()
    assert served == []
    assert shown(cluster) == []
    assert not cluster.registry.exists(SERVICES, Key("kube-system", "metrics-server"))
    assert sampler.of_nodes() == {}


def shown(cluster: Simulation) -> list[Object]:
    pods = cluster.registry.list(PODS, namespace="kube-system")
    return [pod for pod in pods if pod["metadata"]["name"].startswith("metrics-server")]
