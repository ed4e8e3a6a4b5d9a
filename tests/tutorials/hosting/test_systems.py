"""What the one command says on systems that sandboxes cannot run on."""

import os
import subprocess
from pathlib import Path

import pytest

from tutorials.hosting.options import CHECKOUT


@pytest.mark.parametrize(
    ("name", "release", "words"),
    [
        ("Darwin", "23.5.0", "this is macOS. In a Linux machine"),
        ("MINGW64_NT-10.0", "3.4.10", "this is Windows. In PowerShell: wsl --install Debian"),
        ("Linux", "4.4.0-19041-Microsoft", "this is WSL 1"),
        ("FreeBSD", "14.1", "this is FreeBSD. Take a Linux machine"),
    ],
)
def test_the_cause_and_the_way_are_said(tmp_path: Path, name: str, release: str, words: str) -> None:
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\ncase $1 in -s) echo {name} ;; -r) echo {release} ;; esac\n")
    uname.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["./quayside", "up", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "data").exists()
