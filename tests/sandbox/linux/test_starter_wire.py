from __future__ import annotations

import asyncio
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.linux import starter_wire


def pair() -> tuple[socket.socket, socket.socket]:
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.settimeout(0)
    two.settimeout(0)
    return one, two


@given(st.dictionaries(st.text(max_size=10), st.one_of(st.integers(), st.text(), st.none()), max_size=5))
def test_a_message_arrives_as_it_was_sent(message: dict[str, object]) -> None:
    one, two = pair()
    with one, two:
        starter_wire.send(one, message)
        assert starter_wire.receive(two) == (message, [])


@pytest.mark.parametrize("packet", [b"{", b"[]", b"\xff", b"{}" * 70_000])
def test_a_broken_packet_is_an_error_and_its_descriptors_are_closed(packet: bytes) -> None:
    one, two = pair()
    with one, two:
        read, write = os.pipe()
        socket.send_fds(one, [packet], [write])
        os.close(write)
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it
            starter_wire.receive(two)
        assert os.read(read, 1) == b""  # nobody holds the other end
        os.close(read)


def test_too_much_for_a_packet_is_not_sent() -> None:
    one, two = pair()
    with one, two, pytest.raises(ValueError, match="too much"):
        starter_wire.send(one, {"x": "y" * starter_wire.PACKET_BYTES})


async def test_answers_find_their_calls_in_any_order() -> None:
    one, two = pair()
    link = starter_wire.Link(one)
    first = asyncio.create_task(link.call({"word": "a"}))
    second = asyncio.create_task(link.call({"word": "b"}))
    await asyncio.sleep(0)
    requests = [starter_wire.receive(two), starter_wire.receive(two)]
    for request in reversed(requests):
        assert request is not None
        starter_wire.send(two, {"n": request[0]["n"], "word": request[0]["word"] * 2})
    assert [(await task)[0]["word"] for task in (first, second)] == ["aa", "bb"]
    await link.close()
    two.close()


async def test_calls_fail_when_the_link_is_cut() -> None:
    one, two = pair()
    link = starter_wire.Link(one)
    waiting = asyncio.create_task(link.call({"word": "a"}))
    await asyncio.sleep(0)
    two.close()
    with pytest.raises(ConnectionError):
        await waiting
    with pytest.raises(ConnectionError):
        await link.call({"word": "b"})


async def test_too_big_a_call_fails_alone() -> None:
    one, two = pair()
    link = starter_wire.Link(one)
    with pytest.raises(ValueError, match="too much"):
        await link.call({"x": "y" * starter_wire.PACKET_BYTES})
    waiting = asyncio.create_task(link.call({"word": "a"}))
    await asyncio.sleep(0)
    request = starter_wire.receive(two)
    assert request is not None
    starter_wire.send(two, {"n": request[0]["n"]})
    await waiting
    await link.close()
    two.close()
