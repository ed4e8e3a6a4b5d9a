"""What a host is told about its network."""

from __future__ import annotations

import socket

import pytest

from tutorials.hosting import lan


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_address_that_answers_comes_with_the_command_to_serve_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan, "_addresses", lambda: ["127.0.0.1"])
    port = free_port()
    step, firewall = lan.probe(port)
    assert step.ok
    assert f"--origin http://127.0.0.1:{port}" in step.detail
    assert "second machine" in firewall.detail


def test_a_port_that_is_taken_is_said_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan, "_addresses", lambda: ["127.0.0.1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        step, _ = lan.probe(port)
    assert not step.ok
    assert f"--port {port + 1}" in step.remedy


def test_a_machine_without_a_network_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan, "_addresses", list)
    (step,) = lan.probe()
    assert not step.ok


def test_this_machines_addresses_are_no_loopback() -> None:
    assert not any(address.startswith("127.") for address in lan._addresses())
