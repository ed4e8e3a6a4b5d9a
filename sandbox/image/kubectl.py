"""Finds kubectl for the learners, or fetches it once: afterwards no internet is needed."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.image import debian

VERSION = "v1.33.1"
"""The version that our API says it is."""

COMPLETION = "usr/local/share/bash-completion/completions/kubectl"

_RELEASES = "https://dl.k8s.io/release"
_PACKAGE = "kubernetes-client"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
_SEEN_BY_LEARNERS = Path("/usr")
_HIDDEN_FROM_LEARNERS = Path("/usr/local")
_BLOCK = 1 << 18
_TIMEOUT = 20.0

Say = Callable[[str], None]


class KubectlMissing(Exception):
    """There is no kubectl and it cannot be fetched; the message says what to do."""


def set_up(tools: Path, say: Say) -> Path:
    """The kubectl that learners will run, put below `tools` when the host's own cannot be seen in a sandbox.

    Raises KubectlMissing.
    """
    ours = tools / "usr/local/bin/kubectl"
    if ours.is_file():
        return ours
    theirs = _on_this_machine()
    if theirs is not None and _visible(theirs):
        if not (tools / COMPLETION).is_file():  # the first time
            say(f"  kubectl: the machine's own, {theirs}")
        return theirs
    ours.parent.mkdir(parents=True, exist_ok=True)
    if theirs is not None:
        say(f"  kubectl: copied from {theirs}")
        _install(theirs.read_bytes(), ours)
        return ours
    try:
        _download(ours, say)
    except (OSError, ValueError) as error:
        return _from_debian(ours, say, why=str(getattr(error, "reason", error)))
    return ours


def completion(kubectl: Path, tools: Path) -> Path | None:
    """Write kubectl's bash completion where bash-completion finds it; None when kubectl cannot say it."""
    target = tools / COMPLETION
    if target.is_file():
        return target
    try:
        done = subprocess.run(
            [kubectl, "completion", "bash"], capture_output=True, timeout=30, check=True, env={"HOME": "/nonexistent"}
        )
    except (OSError, subprocess.SubprocessError):
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(done.stdout)
    return target


def _on_this_machine() -> Path | None:
    found = shutil.which("kubectl", path="/usr/bin:/usr/sbin:/bin:/usr/local/bin") or shutil.which("kubectl")
    if found is None:
        return None
    # Some packages install links; one that starts another program by the version of the server stays where it is.
    real = Path(found).resolve()
    return real if real.is_file() and os.access(real, os.X_OK) else None


def _visible(path: Path) -> bool:
    """Whether a sandbox, which sees the host's /usr without /usr/local, sees it and has it on its path."""
    inside = path.is_relative_to(_SEEN_BY_LEARNERS) and not path.is_relative_to(_HIDDEN_FROM_LEARNERS)
    link = shutil.which("kubectl", path="/usr/bin:/usr/sbin")
    return inside and link is not None and Path(link).resolve() == path


def _install(program: bytes, target: Path) -> None:
    partial = target.with_name(f".{target.name}.new")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.rename(target)


def _download(target: Path, say: Say) -> None:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise ValueError(f"there is none for {platform.machine()}")
    url = f"{_RELEASES}/{VERSION}/bin/linux/{machine}/kubectl"
    with urllib.request.urlopen(f"{url}.sha256", timeout=_TIMEOUT) as answer:
        wanted = answer.read(1024).split()[0].decode("ascii")
    program = bytearray()
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        told = 0
        while block := answer.read(_BLOCK):
            program += block
            percent = 100 * len(program) // total if total else 0
            if percent >= told + 20:
                told = percent
                say(f"  kubectl: {len(program) >> 20} of {total >> 20} MB")
    if hashlib.sha256(program).hexdigest() != wanted:
        raise ValueError("its checksum is wrong")
    _install(bytes(program), target)
    say(f"  kubectl: {VERSION} downloaded, checksum right")


def _from_debian(target: Path, say: Say, *, why: str) -> Path:
    """Debian's package, unpacked and not installed: nobody needs to be root for that."""
    host = urlsplit(_RELEASES).hostname
    say(f"  kubectl: fetching Debian's, since {host} cannot be reached ({why})")
    try:
        with tempfile.TemporaryDirectory(prefix="quayside-kubectl-") as directory:
            root, state = Path(directory, "root"), Path(directory, "state")
            debian.unpack([_PACKAGE], root, state=state)
            _install((root / "usr/bin/kubectl").read_bytes(), target)
    except (debian.PackageUnavailable, OSError) as error:
        raise KubectlMissing(
            f"kubectl is missing. {host} cannot be reached ({why}), and of Debian's package {_PACKAGE}: {error}.\n"
            "With internet, start again; without, put the program kubectl into /usr/bin."
        ) from error
    return target
