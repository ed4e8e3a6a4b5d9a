"""Real sandboxes for the agent's tests: the real launcher, one for all of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from sandbox.backend import Connection, Limits, SandboxSpec
from sandbox.backends.local import LocalBackend
from sandbox.client import SandboxClient
from sandbox.image import set_up

CHECKOUT = Path(__file__).resolve().parents[3]
SPEC = SandboxSpec(limits=Limits(memory_mib=256, disk_mib=64, processes=256))


@pytest.fixture(scope="session")
def launcher(launched: tuple[Path, int]) -> Path:
    """The socket of a launcher without images."""
    return launched[0]


@pytest.fixture
def launcher_pid(launched: tuple[Path, int]) -> int:
    """Its process."""
    return launched[1]


@pytest.fixture(scope="session")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Socket and process of one launcher for all these tests."""
    if os.geteuid() != 0:
        pytest.fail("these tests are to run as root")
    data = tmp_path_factory.mktemp("launcher")
    (data / "images").mkdir()
    assert set_up._tools(data / "tools", lambda line: None), "kubectl cannot be had"
    path = data / "backend.sock"
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--socket", str(path), "--quiet"]
    process = subprocess.Popen(command, cwd=CHECKOUT)
    deadline = time.monotonic() + 30
    while not _listens(path):
        assert process.poll() is None, "the launcher has ended"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield path, process.pid
    process.send_signal(signal.SIGTERM)
    process.wait(15)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@pytest.fixture
async def sandbox(launcher: Path) -> AsyncIterator[SandboxClient]:
    """A fresh sandbox of the test's own."""
    async for client in _started(launcher, SPEC):
        yield client


@pytest.fixture
async def session_sandbox(launcher: Path) -> SandboxClient:
    """One sandbox for tests that leave nothing behind in it."""
    backend = LocalBackend(launcher)
    await backend.start("shared", SPEC)  # starting what runs is no error; it ends with the launcher
    return SandboxClient(_connecting(backend, "shared"))


@pytest.fixture
async def learners_sandbox(launcher: Path) -> AsyncIterator[SandboxClient]:
    """A fresh sandbox whose learner is no root."""
    async for client in _started(launcher, SandboxSpec(user="learner", limits=SPEC.limits)):
        yield client


async def _started(launcher: Path, spec: SandboxSpec) -> AsyncIterator[SandboxClient]:
    backend = LocalBackend(launcher)
    name = f"t{os.urandom(6).hex()}"
    await backend.start(name, spec)
    try:
        yield SandboxClient(_connecting(backend, name))
    finally:
        await backend.stop(name)


def _connecting(backend: LocalBackend, name: str) -> Callable[[], Awaitable[Connection]]:
    return lambda: backend.connect(name)
