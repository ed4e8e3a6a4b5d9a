"""Unpacks Debian packages into a directory, without installing anything on the host and without being root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_INSTALL = re.compile(r"^Inst (\S+)", re.MULTILINE)
_TIMEOUT = 300
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class PackageUnavailable(Exception):
    """The package cannot be had here and now; the message says why."""


def unpack(packages: Sequence[str], root: Path, *, state: Path) -> None:
    """Put the files of the packages, and of what they need that the host lacks, below `root`.

    `state` is a directory for apt's own index, used when the host has none. Raises PackageUnavailable.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PackageUnavailable("it comes from a Debian package, and this system has no apt-get")
    options = _with_index(packages, state)
    simulated = _apt(["install", "--simulate", "--no-install-recommends", *packages], options)
    wanted = sorted({*packages, *_INSTALL.findall(simulated)})
    with tempfile.TemporaryDirectory(prefix="quayside-packages-") as downloads:
        Path(downloads).chmod(0o755)  # apt fetches as a user of its own
        _apt(["download", *wanted], options, directory=Path(downloads))
        for package in sorted(Path(downloads).glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(root)], "unpack")
    _merge_usr(root)


def _with_index(packages: Sequence[str], state: Path) -> Sequence[str]:
    """Options for apt-get under which it knows the packages, fetching an index of our own when it must."""
    if _known(packages, ()):
        return ()
    for name in ("state/lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    options = (
        f"-oDir::State={state}/state",
        f"-oDir::Cache={state}/cache",
        "-oDir::State::status=/var/lib/dpkg/status",
        "-oAPT::Sandbox::User=",
    )
    if not _known(packages, options):
        _apt(["update"], options)
    return options


def _known(packages: Sequence[str], options: Sequence[str]) -> bool:
    try:
        _apt(["install", "--simulate", "--no-install-recommends", *packages], options)
    except PackageUnavailable:
        return False
    return True


def _apt(command: Sequence[str], options: Sequence[str], *, directory: Path = Path("/")) -> str:
    patience = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=15", "-oAcquire::https::Timeout=15")
    return _run(["apt-get", "--quiet", *patience, *options, *command], "fetch", directory=directory)


def _run(command: Sequence[str], what: str, *, directory: Path = Path("/")) -> str:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageUnavailable(f"cannot {what} it: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        raise PackageUnavailable(f"cannot {what} it: {lines[0] if lines else 'no reason given'}")
    return done.stdout


def _merge_usr(root: Path) -> None:
    """Move /lib into /usr/lib and so on: as directories they would cover the links that stand there in every root."""
    for name in _MERGED:
        old = root / name
        if old.is_dir() and not old.is_symlink():
            shutil.copytree(old, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)
