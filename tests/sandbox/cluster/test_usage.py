"""Rates from samples: what `kubectl top` is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sandbox.cluster.api.objects import Key
from sandbox.cluster.api.rates import Rate
from sandbox.cluster.kubelet.runtime import Usage
from sandbox.cluster.usage import Asked, Sampler, own_usage
from tests.sandbox.cluster.simulation import FakeClock

POD = Key("default", "web")


class Agents:
    """Two nodes; one pod on the second, whose use a test sets."""

    def __init__(self) -> None:
        self.now: Usage | None = Usage(0, 4 << 20)

    def names(self) -> Sequence[str]:
        return ("minikube", "minikube-m02")

    def agent(self, name: str) -> Agents._Agent:
        return Agents._Agent(self, has_pod=name == "minikube-m02")

    class _Agent:
        def __init__(self, of: Agents, *, has_pod: bool) -> None:
            self._of, self._has_pod = of, has_pod

        def usage(self) -> Asked:
            return {POD: {"c": lambda: self._of.now}} if self._has_pod else {}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def agents() -> Agents:
    return Agents()


@pytest.fixture
def sampler(agents: Agents, clock: FakeClock) -> Sampler:
    own = iter(Usage(number * 500_000_000, 50 << 20) for number in range(10))
    return Sampler(agents, clock=clock, own=lambda: next(own))


def test_one_sample_is_no_rate(sampler: Sampler) -> None:
    sampler.sample()
    assert sampler.of_pods() == {}
    assert sampler.of_nodes() == {}


def test_two_samples_are(sampler: Sampler, agents: Agents, clock: FakeClock) -> None:
    sampler.sample()
    clock.step_to(5.0)
    agents.now = Usage(1_000_000_000, 6 << 20)
    sampler.sample()
    assert sampler.of_pods() == {POD: {"c": Rate(0.2, 6 << 20)}}
    assert sampler.of_nodes() == {"minikube": Rate(0.1, 50 << 20), "minikube-m02": Rate(0.2, 6 << 20)}


def test_a_container_that_was_started_again_is_left_out_once(
    sampler: Sampler, agents: Agents, clock: FakeClock
) -> None:
    agents.now = Usage(9_000_000_000, 1 << 20)
    sampler.sample()
    clock.step_to(5.0)
    agents.now = Usage(1_000_000, 1 << 20)
    sampler.sample()
    assert sampler.of_pods() == {}


def test_what_has_ended_uses_nothing(sampler: Sampler, agents: Agents, clock: FakeClock) -> None:
    sampler.sample()
    clock.step_to(5.0)
    agents.now = None
    sampler.sample()
    assert sampler.of_pods() == {}


def test_this_process_uses_something() -> None:
    used = own_usage()
    assert used.cpu_nanoseconds > 0
    assert used.memory_bytes > 1 << 20
