"""Which addresses are nodes', and what is on them."""

from __future__ import annotations

from sandbox.cluster.node_addresses import keeps_source, node_addresses, on_node


def test_only_what_is_an_address_counts() -> None:
    hostile = [{"type": "InternalIP", "address": "1.2.3.4; flush ruleset"}, {"type": "Hostname", "address": "1.2.3.4"}]
    good = [{"type": "InternalIP", "address": "192.168.49.2"}]
    nodes = [
        {"metadata": {"name": "evil"}, "status": {"addresses": hostile}},
        {"metadata": {"name": "minikube"}, "status": {"addresses": good}},
        {"metadata": {"name": "new"}},
    ]
    assert node_addresses(nodes) == {"192.168.49.2": "minikube"}


def test_endpoints_of_other_nodes_are_left_out() -> None:
    here, there = {"addresses": ["10.244.0.2"], "nodeName": "a"}, {"addresses": ["10.244.1.2"], "nodeName": "b"}
    assert on_node([{"endpoints": [here, there]}, {"endpoints": None}], "a") == [
        {"endpoints": [here]},
        {"endpoints": []},
    ]


def test_only_local_keeps_the_source() -> None:
    assert keeps_source({"spec": {"externalTrafficPolicy": "Local"}})
    assert not keeps_source({"spec": {"externalTrafficPolicy": "Cluster"}})
    assert not keeps_source({"spec": {}})
