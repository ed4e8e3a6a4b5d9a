"""Whom the site runs as when root starts it: a user of its own, which owns the data folder and nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

NAME = "quayside"
APP = Path("/run/quayside-app")
DATA = Path("/run/quayside-data")
LESSONS = Path("/run/quayside-lessons")
_BIND_AND_ENTER = """
checkout=$1; shift
while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done
shift
cd "$checkout" && exec "$@"
"""
"""`sh` with: the checkout's place, (folder, place)..., `--`, the command."""


@dataclass(frozen=True)
class WebUser:
    """A user id, and whether processes have to change to it."""

    uid: int
    gid: int
    change: bool


def web_user() -> WebUser:
    """The starter itself, or for root the system user `quayside`, made when it does not exist yet."""
    if os.geteuid() != 0 or _alone(Path("/proc/self/uid_map").read_text()):
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


def _alone(uid_map: str) -> bool:
    """Whether this is the root of a user namespace that has no other user to become."""
    return sum(int(line.split()[2]) for line in uid_map.splitlines()) == 1


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
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
        if path.name == "lessons" and path.is_dir():
            for inner in path.rglob("*"):
                os.chown(inner, user.uid, user.gid, follow_symlinks=False)


def reachable(path: Path, user: WebUser) -> bool:
    """Whether the user may walk to `path` (a clone under /root is closed to everybody else)."""
    probe = [*_drop(user), "test", "-r", str(path), "-a", "-x", str(path)]
    return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0


@dataclass(frozen=True)
class Seen:
    """A command that runs as the site's user, and where that user sees the folders."""

    command: list[str]
    checkout: Path
    data: Path
    lessons: tuple[Path, ...]

    def start_in(self, checkout: Path) -> Path:
        """The working directory to start the command in; it goes to the checkout by itself where that is moved."""
        return checkout if self.checkout == checkout else Path("/")


def as_user(command: Sequence[str], user: WebUser, *, checkout: Path, data: Path, lessons: Sequence[Path] = ()) -> Seen:
    """Let `command`, which names files of the checkout relative to it, run as the user.

    Where the user cannot walk to a folder (a clone under /root is closed to everybody else), it is bind-mounted in a
    mount namespace of the process' own.
    """
    seen = Seen(list(command), checkout, data, tuple(lessons))
    if not user.change:
        return seen
    places = {checkout: APP, data: DATA} | {folder: LESSONS / str(at) for at, folder in enumerate(lessons)}
    moved = {folder: place for folder, place in places.items() if not reachable(folder, user)}
    dropped = [*_drop(user), *command]
    if not moved:
        return replace(seen, command=dropped)
    for place in moved.values():
        place.mkdir(parents=True, exist_ok=True)
    pairs = [str(path) for pair in moved.items() for path in pair]
    app = moved.get(checkout, checkout)
    shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BIND_AND_ENTER, "sh", str(app)]
    return Seen(
        [*shell, *pairs, "--", *dropped],
        app,
        moved.get(data, data),
        tuple(moved.get(folder, folder) for folder in lessons),
    )


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
