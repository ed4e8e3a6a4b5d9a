"""The network of pods, in a network namespace of the test's own."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from pathlib import Path

import pytest

from sandbox.cluster.kubelet.network import PodNetwork, hosts_file, node_number, resolv_conf
from sandbox.cluster.kubelet.runtime import PodSpec
from sandbox.linux import layout, network_namespace
from tests.sandbox.inside import inside

POD = PodSpec(
    namespace="default",
    name="web-1",
    uid="u",
    hostname="web-1",
    node="minikube",
    hosts={"10.1.2.3": ("foo.local", "bar.local")},
    nameservers=("10.96.0.10",),
    searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local"),
)


def test_nodes_are_numbered_as_minikube_names_them() -> None:
    assert [node_number(name) for name in ("minikube", "minikube-m02", "minikube-m13")] == [0, 1, 12]


def test_hosts_names_the_pod_and_its_aliases() -> None:
    lines = hosts_file("10.244.0.5", POD).splitlines()
    assert lines[0] == "# Kubernetes-managed hosts file."
    assert "127.0.0.1\tlocalhost" in lines
    assert "10.244.0.5\tweb-1" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "10.1.2.3\tfoo.local\tbar.local"]


def test_hosts_gives_a_pod_with_a_subdomain_its_full_name() -> None:
    pod = dataclasses.replace(POD, full_name="web-1.web.default.svc.cluster.local")
    assert "10.244.0.5\tweb-1.web.default.svc.cluster.local\tweb-1\n" in hosts_file("10.244.0.5", pod)


def test_resolv_conf_searches_the_namespace_first() -> None:
    assert resolv_conf(POD) == (
        "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )


@contextlib.contextmanager
def listening_in(path: Path) -> socket.socket:  # type: ignore[misc]
    with network_namespace.entered(path):
        server = socket.create_server(("0.0.0.0", 80))
    with server:
        yield server


@pytest.mark.sandbox
@inside
async def test_pods_reach_each_other_and_the_node_by_address() -> None:
    network = PodNetwork(layout.CLUSTER / "netns")
    network.prepare()
    network.prepare()
    first, second = network.add("u1", "minikube"), network.add("u2", "minikube")
    assert (first, second) == ("10.244.0.2", "10.244.0.3")
    assert network.add("u1", "minikube") == first
    assert network.add("u3", "minikube-m02") == "10.244.1.2"
    with listening_in(network.namespace("u2")) as server:
        for place in (network.namespace("u1"), network.namespace("u3"), None):
            with contextlib.ExitStack() as stack:
                if place is not None:
                    stack.enter_context(network_namespace.entered(place))
                client = stack.enter_context(socket.create_connection((second, 80), timeout=2))
                accepted, peer = server.accept()
                accepted.close()
                assert peer[0] == client.getsockname()[0]
                assert place is None or peer[0].startswith("10.244.")


@pytest.mark.sandbox
@inside
async def test_an_address_is_free_again_but_not_at_once_another_pods() -> None:
    network = PodNetwork(layout.CLUSTER / "netns")
    network.prepare()
    network.add("u1", "minikube")
    network.remove("u1")
    network.remove("u1")
    assert network.address("u1") is None
    assert list((layout.CLUSTER / "netns").iterdir()) == []
    assert network.add("u2", "minikube") == "10.244.0.3"


@pytest.mark.sandbox
@inside
async def test_a_namespace_that_a_killed_process_left_is_no_obstacle() -> None:
    before = PodNetwork(layout.CLUSTER / "netns")
    before.prepare()
    before.add("u1", "minikube")
    after = PodNetwork(layout.CLUSTER / "netns")
    after.adopt("u0", "10.244.0.2")
    assert after.add("u1", "minikube") == "10.244.0.3"


def test_when_all_addresses_are_taken_that_is_said() -> None:
    network = PodNetwork(Path("/nonexistent"))
    for host in range(2, 255):
        network.adopt(f"u{host}", f"10.244.0.{host}")
    with pytest.raises(OSError, match=r"no IP addresses available in range set: 10\.244\.0\.1-10\.244\.0\.254"):
        network._free_address(0)
