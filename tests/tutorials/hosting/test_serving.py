"""`./quayside up` as a host runs it: without any network once installed, and ended in every way there is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tutorials.hosting.options import CHECKOUT

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network namespace of its own for this"),
]
PORT = 8000
"""Free: each site has a network of its own, with nothing in it."""
SECONDS = 60.0


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@dataclass
class Site:
    data: Path
    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def page(self) -> str:
        url = f"http://localhost:{PORT}/"
        asked = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "curl", "--silent", "--max-time", "10", url]
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout

    def left(self) -> list[str]:
        """Processes that name the data folder, or have it as their own place under another name."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                if str(self.data).encode() in words:
                    found.append(f"{folder.name} {words[:80]!r}")
        return found

    def ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "Ctrl-C" in self.said()


REFUSED = "ip link set lo up"
BLACK_HOLE = f"{REFUSED}; ip link add void type dummy; ip link set void up; ip route add default dev void"
"""A default route into nothing: what is sent is never answered, so that whoever asks the network waits."""


def start(data: Path, *options: str, network: str = REFUSED) -> Site:
    script = f'{network}; exec "$@"'
    command = ["unshare", "--net", "sh", "-c", script, "sh", "./quayside", "up", "--port", str(PORT)]
    output = data.with_suffix(".log")
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(data), *options],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Site(data, process, output)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with everything that the first start has built, and no database."""
    folder = tmp_path / "the data"
    folder.mkdir()
    for name in ("images", "tools"):
        shutil.copytree(CHECKOUT / "var" / name, folder / name, symlinks=True)
    shutil.copy(CHECKOUT / "var/.images", folder)
    return folder


@pytest.fixture
def site(data: Path) -> Iterator[Site]:
    running = start(data)
    try:
        eventually(running.ready, "the site does not start")
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        eventually(lambda: not running.left(), "something is left behind")


def test_it_starts_without_any_network_and_again_after_a_kill(site: Site) -> None:
    assert "Kubernetes" in site.page()
    assert "Installing" not in site.said()
    assert start(site.data).process.wait(SECONDS) == 1
    assert "already running on http://localhost:8000/" in site.said()
    site.process.kill()
    site.process.wait()
    eventually(lambda: not site.left(), "a killed site leaves something behind")
    again = start(site.data)
    try:
        eventually(again.ready, "the site does not start again")
        assert "Kubernetes" in again.page()
    finally:
        again.process.terminate()
    assert again.process.wait(SECONDS) == 0


def test_a_network_that_swallows_everything_is_not_waited_for(data: Path) -> None:
    site = start(data, network=BLACK_HOLE)
    try:
        eventually(site.ready, "the site does not start")
        assert "Kubernetes" in site.page()
    finally:
        site.process.terminate()
    assert site.process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_it_ends_with_everything_it_started(site: Site, number: signal.Signals) -> None:
    site.process.send_signal(number)
    assert site.process.wait(SECONDS) == 0
    assert site.left() == []
    assert "Ending" in site.said()


@pytest.mark.parametrize("part", ["sandbox.launch", "manage.py web"])
def test_a_part_that_is_killed_comes_back(site: Site, part: str) -> None:
    found = subprocess.run(
        ["pgrep", "-P", str(site.process.pid), "-f", part], capture_output=True, text=True, timeout=10
    )
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
    eventually(lambda: "starting it again" in site.said(), "nobody notices")
    eventually(lambda: subprocess.run(["pgrep", "-P", str(site.process.pid), "-f", part]).returncode == 0, "it is gone")
    assert "Kubernetes" in site.page()


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    refused = start(folder)
    assert refused.process.wait(SECONDS) == 1
    assert "holds other things" in refused.said()
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
