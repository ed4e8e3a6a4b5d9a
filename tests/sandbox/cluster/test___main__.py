"""`python -m sandbox.cluster` as a command: what it says, what it leaves, what survives."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.cluster.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


def start(data, *arguments, listen="127.0.0.1:0"):
    command = [sys.executable, "-m", "sandbox.cluster", "--data", str(data), "--listen", listen, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def await_file(path, process):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return json.loads(path.read_text())


def ask(data, path):
    """GET over the unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(data / "apiserver.sock"))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return json.loads(received.partition(b"\r\n\r\n")[2])


def uid_of(data):
    return ask(data, "/api/v1/namespaces/default")["metadata"]["uid"]


def test_a_killed_cluster_comes_back_with_everything(tmp_path):
    first = start(tmp_path, "--runtime", "simulated")
    config = await_file(tmp_path / "kubeconfig", first)
    before = uid_of(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    (tmp_path / "kubeconfig").unlink()
    second = start(tmp_path, "--runtime", "simulated")
    again = await_file(tmp_path / "kubeconfig", second)
    assert uid_of(tmp_path) == before
    # Who holds the old kubeconfig is still let in: the authority and the admin's certificate are the same.
    assert again["users"] == config["users"]
    assert (tmp_path / "apiserver.sock").stat().st_mode & 0o777 == 0o600
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=20) == 0


def test_a_busy_port_is_one_sentence(tmp_path, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["--data", str(tmp_path), "--listen", address, "--runtime", "simulated"]) == 1
    assert capfd.readouterr().err == f"Cannot listen on {address}: Address already in use.\n"


def test_crun_without_images_is_one_sentence(tmp_path, capfd):
    arguments = ["--data", str(tmp_path), "--listen", "127.0.0.1:0", "--images", str(tmp_path)]
    assert main([*arguments, "--runtime", "crun"]) == 1
    assert "There are no container images" in capfd.readouterr().err


@pytest.mark.parametrize("wrong", ["8443", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_must_be_one(tmp_path, wrong):
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "--listen", wrong])


def of_this(data):
    """Processes that have this directory in their command line, and what they started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(data).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.sandbox
def test_with_crun_pods_run_in_namespaces_of_their_own_and_end_with_it(tmp_path):
    if not (ROOT / "var/images/index.json").exists():
        pytest.skip("no images have been made")
    data = tmp_path / "data"
    process = start(data, "--kubeconfig", str(tmp_path / "config"), "--runtime", "crun")
    await_file(tmp_path / "config", process)
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "busybox:1.36", "command": ["sleep", "1000"]}]},
    }
    body = json.dumps(pod).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(data / "apiserver.sock"))
        head = f"POST /api/v1/namespaces/default/pods HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
    deadline = time.monotonic() + 20
    while ask(data, "/api/v1/namespaces/default/pods/p").get("status", {}).get("phase") != "Running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not Path("/run/quayside/cluster/store.sqlite").exists()
    processes = of_this(data)
    assert len(processes) >= 3  # ours, the cluster's, the starter's
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert of_this(data) == []
