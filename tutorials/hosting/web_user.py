"""Whom the site runs as when root starts it: a user of its own, which owns the data folder and nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "quayside"
APP = Path("/run/quayside-app")
DATA = Path("/run/quayside-data")
_ENTER = (
    'mount --bind "$1" "$2" && mount --bind "$3" "$4" && cd "$2" && shift 4 && '
    'exec setpriv --reuid="$1" --regid="$2" --clear-groups --no-new-privs --inh-caps=-all -- "$@"'
)


@dataclass(frozen=True)
class WebUser:
    """A user id, and whether processes have to change to it."""

    uid: int
    gid: int
    change: bool


def web_user() -> WebUser:
    """The starter itself, or for root the system user `quayside`, made when it does not exist yet."""
    if os.geteuid() != 0:
        return WebUser(os.geteuid(), os.getegid(), change=False)
    try:
        found = pwd.getpwnam(NAME)
    except KeyError:
        command = [
            "useradd",
            "--system",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
        ]
        subprocess.run([*command, NAME], check=True, capture_output=True, timeout=30)
        found = pwd.getpwnam(NAME)
    return WebUser(found.pw_uid, found.pw_gid, change=True)


def give(folder: Path, user: WebUser) -> None:
    """Make the site's part of the data folder the user's: the folder, its files, its lessons; images stay root's."""
    folder.mkdir(parents=True, exist_ok=True)
    if not user.change:
        return
    os.chown(folder, user.uid, user.gid)
    folder.chmod(0o755)
    kept = {"images", "tools", "run", "system"}
    for path in folder.iterdir():
        if path.name in kept or path.is_symlink():
            continue
        os.chown(path, user.uid, user.gid)
        if path.name == "lessons" and path.is_dir():
            for inner in path.rglob("*"):
                os.chown(inner, user.uid, user.gid, follow_symlinks=False)


def reachable(path: Path, user: WebUser) -> bool:
    """Whether the user may walk to `path` (a clone under /root is closed to everybody else)."""
    probe = [*_drop(user), "test", "-r", str(path), "-a", "-x", str(path)]
    return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0


def as_user(command: Sequence[str], user: WebUser, *, checkout: Path, data: Path) -> tuple[list[str], Path, Path]:
    """(command that runs `command` as the user, checkout as it sees it, data folder as it sees it).

    `command` names files of the checkout relative to it. Where the user cannot walk to the checkout or the data
    folder, both are bind-mounted in a mount namespace of the process' own.
    """
    if not user.change:
        return list(command), checkout, data
    if reachable(checkout, user) and reachable(data, user):
        return [*_drop(user), *command], checkout, data
    for target in (APP, DATA):
        target.mkdir(exist_ok=True)
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh"]
    places = [str(checkout), str(APP), str(data), str(DATA)]
    return [*shell, *places, str(user.uid), str(user.gid), *command], APP, DATA


def _drop(user: WebUser) -> list[str]:
    if shutil.which("setpriv") is None:
        raise FileNotFoundError("setpriv (package util-linux) is missing")
    return [
        "setpriv",
        f"--reuid={user.uid}",
        f"--regid={user.gid}",
        "--clear-groups",
        "--no-new-privs",
        "--inh-caps=-all",
        "--",
    ]
