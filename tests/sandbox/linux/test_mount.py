"""Mounts by what they are for, in namespaces of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.linux import mount, syscalls
from tests.sandbox.inside import inside

PLACE = Path("/var/lib/learner/place")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.sandbox
@inside
async def test_memory_is_as_large_as_it_was_said_to_be() -> None:
    mount.memory(PLACE, size=1 << 20, mode=0o700, inodes=50)
    assert mode_of(PLACE) == 0o700
    assert os.statvfs(PLACE).f_blocks * os.statvfs(PLACE).f_frsize == 1 << 20
    with pytest.raises(OSError, match="No space left"):
        (PLACE / "fill").write_bytes(bytes(2 << 20))


@pytest.mark.sandbox
@inside
async def test_a_read_only_view_cannot_be_written_and_the_source_can() -> None:
    mount.memory(PLACE, size=1 << 20)
    (PLACE / "source").mkdir()
    mount.bind(PLACE / "source", PLACE / "view")
    mount.read_only(PLACE / "view")
    (PLACE / "source/file").write_text("x")
    assert (PLACE / "view/file").read_text() == "x"
    with pytest.raises(OSError, match="Read-only file system"):
        (PLACE / "view/file").write_text("y")


@pytest.mark.sandbox
@inside
async def test_a_file_can_be_shown_at_a_place_that_does_not_exist_yet() -> None:
    mount.memory(PLACE, size=1 << 20)
    (PLACE / "file").write_text("x")
    mount.bind(PLACE / "file", PLACE / "deep/down/here")
    assert (PLACE / "deep/down/here").read_text() == "x"


@pytest.mark.sandbox
@inside
async def test_what_is_mounted_is_known_also_under_strange_names() -> None:
    mount.memory(PLACE, size=1 << 20)
    for name in ("with space", "back\\slash", "colon:comma,", "tab\tnew\nline"):
        directory = PLACE / name
        directory.mkdir()
        assert not mount.is_mounted(directory)
        mount.bind(PLACE, directory)
        assert mount.is_mounted(directory)
        syscalls.umount(directory)
        assert not mount.is_mounted(directory)


@pytest.mark.sandbox
@inside
async def test_layers_with_strange_names_can_be_stacked() -> None:
    mount.memory(PLACE, size=1 << 20)
    lower = PLACE / "a:b,c\\d"
    lower.mkdir()
    (lower / "file").write_text("x")
    mount.overlay(PLACE / "all", lower=[lower], upper=PLACE / "u:p", work=PLACE / "w,k")
    (PLACE / "all/file").write_text("y")
    assert (lower / "file").read_text() == "x"
    assert (PLACE / "u:p/file").read_text() == "y"


@pytest.mark.sandbox
@inside
async def test_devices_are_those_that_every_program_expects() -> None:
    mount.memory(PLACE, size=1 << 20)
    mount.devices(PLACE / "dev", has_tty_group=True)
    assert (PLACE / "dev/zero").open("rb").read(3) == b"\0\0\0"
    assert sorted(path.name for path in (PLACE / "dev").iterdir()) == sorted(
        [*mount.DEVICES, "pts", "shm", "ptmx", "fd", "stdin", "stdout", "stderr"]
    )
    assert (PLACE / "dev/pts/ptmx").is_char_device()


def test_a_directory_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(NotADirectoryError):
        mount.open_directory(tmp_path / "link")
    os.close(mount.open_directory(tmp_path))
