"""The learner's client, run as they run it: what it sends, prints, writes to the kubeconfig, and how it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.minikube import client

SCRIPT = Path(client.__file__)
KUBECONFIG = {
    "clusters": [
        {"name": "c", "cluster": {"server": "https://192.168.49.2:8443", "certificate-authority-data": "Q0E="}}
    ],
    "users": [{"name": "u", "user": {"client-certificate-data": "QQ==", "client-key-data": "Qg=="}}],
}
Run = Callable[..., tuple["subprocess.CompletedProcess[str]", dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the client against an agent that answers with the given messages."""

    def run(
        answers: Sequence[object], *arguments: str, path: str = "/usr/bin:/bin"
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        asked: dict[str, Any] = {}
        listener = socket.socket(socket.AF_UNIX)
        address = tmp_path / "m.sock"
        address.unlink(missing_ok=True)
        listener.bind(str(address))
        listener.listen()

        def agent() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                asked.update(json.loads(stream.readline()))
                for answer in answers:
                    stream.write(json.dumps(answer).encode() + b"\n")
                stream.flush()

        thread = threading.Thread(target=agent)
        thread.start()
        script = f"import sys; sys.argv[0] = 'm'; sys.path.insert(0, {str(SCRIPT.parent)!r}); import client; "
        script += f"sys.exit(client.main(sys.argv[1:], {str(address)!r}))"
        environment = {"HOME": str(tmp_path), "PATH": path, "TERM": "xterm", "OTHER": "x"}
        command = ["/usr/bin/python3", "-IS", "-c", script, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)
        thread.join(5)
        listener.close()
        return done, asked

    return run


def test_it_sends_the_command_line_and_prints_what_comes_back(run: Run) -> None:
    done, asked = run([{"out": "hello\n"}, {"err": "oh\n"}, {"exit": 7}], "start", "--nodes", "3")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "oh\n", 7)
    assert asked["arguments"] == ["start", "--nodes", "3"]
    assert asked["terminal"] is False
    assert asked["environment"] == {"TERM": "xterm"}


def test_it_writes_a_kubeconfig_that_kubectl_would_write(run: Run, tmp_path: Path) -> None:
    run([{"kubeconfig": KUBECONFIG}, {"exit": 0}])
    path = tmp_path / ".kube/config"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert "server: https://192.168.49.2:8443\n  name: minikube\n" in text
    assert "current-context: minikube\n" in text
    _, asked = run([{"exit": 0}], "status")
    assert (asked["server"], asked["context"]) == ("https://192.168.49.2:8443", "minikube")


def test_it_takes_the_context_out_again(run: Run, tmp_path: Path) -> None:
    run([{"kubeconfig": KUBECONFIG}, {"exit": 0}])
    run([{"kubeconfig": None}, {"exit": 0}])
    assert "192.168.49.2" not in (tmp_path / ".kube/config").read_text()


def test_other_clusters_in_the_kubeconfig_are_kept(run: Run, tmp_path: Path) -> None:
    """kubectl merges: here a stand-in that notes what it is asked for."""
    path = tmp_path / ".kube/config"
    path.parent.mkdir()
    path.write_text("clusters:\n- cluster:\n    server: https://other\n  name: other\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (programs / "kubectl").chmod(0o755)
    run([{"kubeconfig": KUBECONFIG}, {"exit": 0}], path=f"{programs}:/usr/bin:/bin")
    asked = (tmp_path / "asked").read_text()
    assert "config set clusters.minikube.server https://192.168.49.2:8443" in asked
    assert "config use-context minikube" in asked
    assert "https://other" in path.read_text()


def test_it_becomes_the_program_it_is_told_to(run: Run) -> None:
    done, _ = run([{"exec": ["sh", "-c", "echo kubectl; exit 3"]}, {"exit": 0}])
    assert (done.stdout, done.returncode) == ("kubectl\n", 3)


def test_without_an_agent_it_says_so() -> None:
    command = ["/usr/bin/python3", "-IS", str(SCRIPT), "start"]
    done = subprocess.run(
        command, env={"HOME": "/nonexistent"}, capture_output=True, text=True, timeout=10, check=False
    )
    if Path(client.SOCKET).exists():
        pytest.fail("this test is to run outside a sandbox")
    assert done.returncode == 69
    assert "the sandbox does not answer" in done.stderr


def test_an_agent_that_hangs_up_is_no_success(run: Run) -> None:
    done, _ = run([{"out": "half"}])
    assert done.returncode == 69


def test_the_script_needs_nothing_of_ours() -> None:
    assert "sandbox" not in [
        line.split()[1].split(".")[0]
        for line in SCRIPT.read_text().splitlines()
        if line.startswith(("import ", "from "))
    ]
    assert os.access(SCRIPT, os.R_OK)
