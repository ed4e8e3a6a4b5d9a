"""Links, addresses and routes, in a network of the test's own."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from sandbox.linux import network_namespace
from sandbox.linux.netlink import Netlink
from tests.sandbox.inside import inside

pytestmark = pytest.mark.sandbox


@inside
async def test_what_exists_is_no_error_and_what_is_gone_neither() -> None:
    path = Path("/run/quayside/other")
    network_namespace.create(path)
    with Netlink() as netlink:
        with network_namespace.entered(path) as there:
            netlink.add_veth("d0", peer="there", peer_namespace=there)
        for _ in range(2):
            netlink.add_address(socket.if_nametoindex("d0"), "10.9.0.1", 24)
            netlink.up(socket.if_nametoindex("d0"))
            netlink.add_route("10.10.0.0", 16, index=socket.if_nametoindex("d0"), source="10.9.0.1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("10.10.1.1", 9))
            assert probe.getsockname()[0] == "10.9.0.1"
        for _ in range(2):
            netlink.delete_link("d0")
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


@inside
async def test_a_refusal_is_an_error_with_its_number() -> None:
    with Netlink() as netlink, pytest.raises(OSError, match="rtnetlink message 24") as refused:
        netlink.add_route("10.10.0.0", 16, index=999)
    assert refused.value.errno == errno.ENODEV


@inside
async def test_it_speaks_for_the_namespace_that_it_was_opened_in() -> None:
    path = Path("/run/quayside/other")
    network_namespace.create(path)
    with network_namespace.entered(path):
        there = Netlink()
    with there, Netlink() as here:
        here.up(1)  # a network without any address lets one bind to all of them
        there.up(1)
        there.add_address(1, "10.9.9.9")
    with network_namespace.entered(path), socket.create_server(("10.9.9.9", 0)):
        pass
    with pytest.raises(OSError, match="assign requested address"):
        socket.create_server(("10.9.9.9", 0))


@inside
async def test_a_pair_of_links_spans_two_namespaces() -> None:
    path = Path("/run/quayside/other")
    network_namespace.create(path)
    with Netlink() as netlink, network_namespace.entered(path) as there:
        netlink.add_veth("here", peer="there", peer_namespace=there)
        assert [name for _, name in socket.if_nameindex()] == ["lo", "there"]
    assert [name for _, name in socket.if_nameindex()] == ["lo", "here"]
