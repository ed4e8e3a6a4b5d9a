"""A launcher of an ordinary user who has no ids to give: less is kept apart, and it says so."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import CHECKOUT, Launcher, descendants, end, start

pytestmark = pytest.mark.sandbox

UID = 54321
"""Nobody's, so without a line in /etc/subuid."""


@pytest.fixture(scope="module")
def user_launcher() -> Iterator[Launcher]:
    """In a directory that the user may enter, unlike pytest's."""
    if any(path.stat().st_mode & 0o005 != 0o005 for path in (CHECKOUT, *CHECKOUT.parents)):
        pytest.skip("other users may not read this checkout")
    data = Path(tempfile.mkdtemp(prefix="quayside-test-"))
    launcher = start(data, uid=UID)
    yield launcher
    end(launcher)
    shutil.rmtree(data)


def test_it_starts_sandboxes_and_says_what_it_cannot_keep_apart(user_launcher: Launcher) -> None:
    assert user_launcher.ask("start", name="one")["started"]
    facts = user_launcher.agent("one", "facts")["facts"]
    assert "id_mode='single'" in facts
    assert "watchdog=True" in facts
    assert "system_writable=False" in facts
    about = user_launcher.ask("about")
    assert about["ids"] == "single"
    assert any("All users of a sandbox are one" in said for said in about["not_enforced"])
    assert any("Memory is watched" in said for said in about["not_enforced"])


@pytest.mark.parametrize(
    "command",
    [
        "mount -o remount,bind,rw /usr",
        "umount /usr",
        "touch /etc/x",
        "touch /images/x",
        "umount -l /images",
        f"ls {CHECKOUT}",
    ],
)
def test_the_users_own_files_are_locked_away_from_its_own_id(user_launcher: Launcher, command: str) -> None:
    user_launcher.ask("start", name="one")
    assert user_launcher.agent("one", "sh", script=command)["status"] != 0


def test_processes_are_bounded_where_the_kernel_can(user_launcher: Launcher) -> None:
    user_launcher.ask("start", name="bounded", spec={"processes": 40})
    assert int(user_launcher.sh("bounded", "cat /proc/sys/kernel/pid_max")) < 1000


def test_stopping_ends_everything(user_launcher: Launcher) -> None:
    user_launcher.ask("start", name="gone")
    user_launcher.sh("gone", "setsid sleep 1000 >/dev/null 2>&1 &")
    processes = descendants(user_launcher.pid("gone"))
    user_launcher.ask("stop", name="gone")
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_the_directory_of_its_sockets_is_its_own(user_launcher: Launcher) -> None:
    user_launcher.ask("start", name="one")
    directory = user_launcher.run / "sandboxes/one"
    assert directory.stat().st_uid == UID
    assert directory.stat().st_mode & 0o777 == 0o700
