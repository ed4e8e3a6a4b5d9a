"""A launcher for a module's tests, and what it takes to talk to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.launch import wire

CHECKOUT = Path(__file__).resolve().parents[3]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)


@dataclass
class Launcher:
    """A running launcher."""

    process: subprocess.Popen[bytes]
    run: Path

    @property
    def socket(self) -> Path:
        return self.run / "backend.sock"

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """One request and its answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.socket))
            connection.sendall(wire.encode({"verb": verb, "id": 1, **fields}))
            received = bytearray()
            while (answer := wire.take(received)) is None:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionError("cut off")
                received += data
            return answer

    def pid(self, name: str) -> int:
        """The host's number of a sandbox's first process."""
        return next(entry["pid"] for entry in self.ask("list")["sandboxes"] if entry["name"] == name)

    def agent(self, name: str, verb: str, **fields: Any) -> dict[str, Any]:
        """One request to a sandbox's small agent."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self.run / "sandboxes" / name / "agent.sock"))
            payload = json.dumps({"verb": verb, **fields}).encode()
            connection.sendall(b"J" + len(payload).to_bytes(4, "big") + payload)
            with connection.makefile("rb") as stream:
                length = int.from_bytes(stream.read(5)[1:], "big")
                answer: dict[str, Any] = json.loads(stream.read(length))
                return answer

    def sh(self, name: str, script: str) -> str:
        """What a script prints, run by root of the sandbox beside the agent."""
        return str(self.agent(name, "sh", script=script)["output"])


def start(data: Path, *options: str, uid: int = 0) -> Launcher:
    """A launcher with the small agent, as the host's user `uid`."""
    run = data / "run"
    for directory in (run, data / "images", data / "tools/usr/local/bin"):
        directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.sandbox.launch.small_daemon", "--data", str(data), *options]
    process = subprocess.Popen(
        [*command, "--socket", str(run / "backend.sock")], env={}, cwd=CHECKOUT, **_as_user(data, uid)
    )
    launcher = Launcher(process, run)
    until(lambda: answers(launcher))
    return launcher


def _as_user(data: Path, uid: int) -> dict[str, Any]:
    if uid == 0:
        return {}
    for path in (data, *data.rglob("*")):
        os.chown(path, uid, uid)
    return {"user": uid, "group": uid, "extra_groups": []}


def answers(launcher: Launcher) -> bool:
    assert launcher.process.poll() is None, "the launcher has ended"
    try:
        launcher.ask("about")
    except OSError:
        return False
    return True


def end(launcher: Launcher) -> None:
    launcher.process.send_signal(signal.SIGTERM)
    launcher.process.wait(15)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """One for all tests of a module; each uses sandboxes of names of its own."""
    if os.geteuid() != 0:
        pytest.fail("these tests are to run as root")
    running = start(tmp_path_factory.mktemp("data"))
    yield running
    end(running)


def descendants(pid: int) -> set[int]:
    """A process and all below it, as the host numbers them."""
    found, new = {pid}, [pid]
    while new:
        parent = new.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in task.read_text().split():
                if int(child) not in found:
                    found.add(int(child))
                    new.append(int(child))
    return found
