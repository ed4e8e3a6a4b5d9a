"""A launcher for one command, for when no `./quayside up` runs: ends with the command."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.backend import SandboxError
from sandbox.image.set_up import set_up

CHECKOUT = Path(__file__).resolve().parents[2]
_SECONDS = 30.0
_WORTH_SAYING = 1.0
"""Seconds; a set-up with nothing to do takes a fraction of this."""


def answers(path: Path) -> bool:
    """Whether a launcher listens at the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def launcher(data: Path, running: Path) -> Iterator[Path]:
    """The socket of the launcher that runs, or of one of our own, which ends when the block does."""
    if answers(running):
        yield running
        return
    data.mkdir(parents=True, exist_ok=True)
    _set_up(data)
    directory = Path(tempfile.mkdtemp(prefix="quayside-"))
    command = [sys.executable, "-m", "sandbox.launch", "--data", str(data), "--with-parent", "--quiet"]
    command += ["--socket", str(directory / "launch.sock"), "--allow-uid", str(os.geteuid())]
    # A session of its own: a Ctrl-C is for the command inside, and we end the launcher ourselves.
    process = subprocess.Popen(command, env={}, cwd=CHECKOUT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(directory / "launch.sock", process)
        yield directory / "launch.sock"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _wait(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not answers(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SandboxError("The program that starts sandboxes does not run here: see ./quayside doctor.")
        select.select([], [], [], 0.01)


def _set_up(data: Path) -> None:
    """Images and tools, of which only news are said."""
    said: list[str] = []
    began = time.monotonic()
    usable = set_up(data, said.append)
    if not usable or time.monotonic() - began > _WORTH_SAYING:
        sys.stderr.write("".join(f"{line}\n" for line in said))
    if not usable:
        raise SandboxError("Images and tools are not complete.")
