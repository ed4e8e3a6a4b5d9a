"""What every backend promises. Another implementation is one more entry of `IMPLEMENTATIONS`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.backend import Backend, Limits, SandboxError, SandboxGone, SandboxSpec
from sandbox.backends.choose import BACKENDS, NoSuchBackend, choose
from sandbox.backends.local import LauncherGone, LocalBackend
from sandbox.client import SandboxClient

pytestmark = pytest.mark.sandbox

CHECKOUT = Path(__file__).resolve().parents[3]


@contextmanager
def local(data: Path) -> Iterator[Backend]:
    """The local backend with a launcher of its own."""
    socket = data / "run/backend.sock"
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--socket", str(socket), "--quiet"]
    process = subprocess.Popen([*command, "--allow-uid", str(os.geteuid())], env={}, cwd=CHECKOUT)
    try:
        yield LocalBackend(socket)
    finally:
        process.terminate()
        process.wait(15)


IMPLEMENTATIONS: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {"local": local}


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Each implementation, ready to be asked."""
    with IMPLEMENTATIONS[request.param](tmp_path_factory.mktemp("data")) as ready:
        asyncio.run(answering(ready))
        yield ready


async def answering(backend: Backend) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await backend.list()
                return
            except SandboxError:
                await asyncio.sleep(0.02)


def client(backend: Backend, name: str) -> SandboxClient:
    return SandboxClient(lambda: backend.connect(name))


async def test_a_started_sandbox_answers(backend: Backend) -> None:
    await backend.start("answers", SandboxSpec())
    done = await client(backend, "answers").run("id -u; hostname")
    assert (done.status, done.output) == (0, b"0\nminikube\n")


async def test_it_is_listed_as_running_with_the_time_of_its_start(backend: Backend) -> None:
    await backend.start("listed", SandboxSpec())
    state = (await backend.list())["listed"]
    assert state.running
    assert state.detail == ""
    assert abs(state.started_at - time.time()) < 60


async def test_starting_what_runs_is_no_error_and_keeps_it(backend: Backend) -> None:
    await backend.start("kept", SandboxSpec())
    await client(backend, "kept").run("touch /root/mark")
    await backend.start("kept", SandboxSpec())
    assert (await client(backend, "kept").run("test -e /root/mark")).status == 0


async def test_the_same_start_twice_at_once_makes_one(backend: Backend) -> None:
    await asyncio.gather(*(backend.start("once", SandboxSpec()) for _ in range(5)))
    assert [name for name in await backend.list() if name == "once"] == ["once"]


async def test_the_learner_is_who_was_wanted(backend: Backend) -> None:
    await backend.start("learner", SandboxSpec(user="learner"))
    done = await client(backend, "learner").run("id -un; echo ~")
    assert done.output == b"learner\n/home/learner\n"


async def test_stopping_ends_it_and_frees_its_name(backend: Backend) -> None:
    await backend.start("again", SandboxSpec())
    await client(backend, "again").run("touch /root/mark")
    await backend.stop("again")
    assert "again" not in await backend.list()
    with pytest.raises(SandboxGone):
        await backend.connect("again")
    await backend.start("again", SandboxSpec())
    assert (await client(backend, "again").run("test -e /root/mark")).status != 0


async def test_stopping_what_is_gone_is_no_error(backend: Backend) -> None:
    await backend.stop("never-was")
    await backend.start("gone", SandboxSpec())
    await backend.stop("gone")
    await backend.stop("gone")


async def test_stopping_cuts_connections(backend: Backend) -> None:
    await backend.start("cut", SandboxSpec())
    reader, writer = await backend.connect("cut")
    await backend.stop("cut")
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):  # when the agent had not read the connection yet
            assert await reader.read() == b""
    writer.close()


async def test_there_is_no_way_to_a_sandbox_that_is_not(backend: Backend) -> None:
    for name in ("never-was", "../sandboxes/x", "", "A", "x" * 41):
        with pytest.raises(SandboxGone):
            await backend.connect(name)


async def test_a_bad_name_starts_nothing(backend: Backend) -> None:
    before = set(await backend.list())
    for name in ("../x", "", "A", "x" * 41, "a b"):
        with pytest.raises(SandboxError):
            await backend.start(name, SandboxSpec())
    assert set(await backend.list()) == before


async def test_limits_hold(backend: Backend) -> None:
    limits = Limits(memory_mib=96, processes=64, files=128, disk_mib=16)
    await backend.start("limits", SandboxSpec(limits=limits))
    ours = client(backend, "limits")
    assert (await ours.run("python3 -c 'x = bytearray(200 << 20)'")).status == 137
    assert (await ours.run("dd if=/dev/zero of=/root/fill bs=1M count=64 2>/dev/null")).status != 0
    assert (await ours.run("rm -f /root/fill; ulimit -n")).output == b"128\n"


async def test_sandboxes_do_not_see_each_other(backend: Backend) -> None:
    await asyncio.gather(*(backend.start(name, SandboxSpec()) for name in ("left", "right")))
    await client(backend, "left").run("echo secret > /root/secret; python3 -m http.server 8123 >/dev/null 2>&1 &")
    done = await client(backend, "right").run(
        "ls /root; timeout 1 bash -c 'echo > /dev/tcp/127.0.0.1/8123' || echo none"
    )
    assert done.output.split()[-1] == b"none"
    assert b"secret" not in done.output


async def test_ten_start_at_once(backend: Backend) -> None:
    names = [f"many-{number}" for number in range(10)]
    await asyncio.gather(*(backend.start(name, SandboxSpec()) for name in names))
    states = await backend.list()
    assert all(states[name].running for name in names)
    await asyncio.gather(*(backend.stop(name) for name in names))


async def test_without_a_launcher_the_error_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LauncherGone, match="does not answer"):
        await LocalBackend(tmp_path / "none.sock").list()


def test_backends_are_chosen_by_name(tmp_path: Path) -> None:
    assert choose("auto", socket=tmp_path).name == next(iter(BACKENDS))
    assert choose("local", socket=tmp_path).name == "local"
    with pytest.raises(NoSuchBackend):
        choose("floppy", socket=tmp_path)
